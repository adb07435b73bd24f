"""BM25 on the words of the query as they are."""

from collections.abc import Iterable, Mapping
from typing import Any

from optical.bitext import words
from optical.collections import Passage, Run
from optical.errors import OpticalError


class LexicalSearch:
    """BM25 (Robertson and Zaragoza 2009) by the library bm25s with its default settings (Lucene's form).

    For queries in English; for those in another language it finds what names and numbers the languages share.

    Args:
        passages: title and text are searched, by words of any script in lower case.

    Raises:
        OpticalError: bm25s is not installed.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        bm25s = _library()
        searched = list(passages)
        self._ids = [passage.id for passage in searched]
        self._bm25 = bm25s.BM25()
        self._bm25.index([words(passage.content) for passage in searched], show_progress=False)

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`; only passages with a word of the query are returned."""
        run: Run = {}
        for query, text in queries.items():
            known = [word for word in words(text) if word in self._bm25.vocab_dict]
            run[query] = self._search(known, depth) if known else {}
        return run

    def _search(self, known: list[str], depth: int) -> dict[str, float]:
        places, scores = self._bm25.retrieve([known], k=min(depth, len(self._ids)), show_progress=False)
        best = zip(places[0].tolist(), scores[0].tolist(), strict=True)
        return {self._ids[place]: float(score) for place, score in best if score > 0}


def _library() -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise OpticalError(
            "BM25 needs the library bm25s. Install it: pip install 'optical[study]'."
        ) from error
    return bm25s
