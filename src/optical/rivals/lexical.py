"""BM25 on the words of the query as they are."""

from collections.abc import Iterable, Mapping

import numpy as np

from optical.bitext import words
from optical.collections import Passage, Run
from optical.errors import OpticalError
from optical.packages import require_package


class LexicalSearch:
    """BM25 (Robertson and Zaragoza 2009) by the library bm25s with its default settings (Lucene's form).

    For queries in English; for those in another language it finds what names and numbers the languages share.

    Args:
        passages: title and text are searched, by words of any script in lower case.

    Raises:
        OpticalError: bm25s is not installed, or no passage has a word.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        require_package("bm25s", extra="study")
        import bm25s

        # In the order of ids, so that a stable sort breaks ties as `ranked` does.
        searched = sorted(passages, key=lambda passage: passage.id)
        texts = [words(passage.content) for passage in searched]
        if not any(texts):
            raise OpticalError("The passages have no words to search. Give passages with letters or numbers.")
        self._ids = [passage.id for passage in searched]
        self._bm25 = bm25s.BM25()
        self._bm25.index(texts, show_progress=False)

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`; only passages with a word of the query are returned."""
        run: Run = {}
        for query, text in queries.items():
            known = [word for word in words(text) if word in self._bm25.vocab_dict]
            run[query] = self._search(known, depth) if known else {}
        return run

    def _search(self, known: list[str], depth: int) -> dict[str, float]:
        scores = self._bm25.get_scores(known)
        best = np.argsort(-scores, kind="stable")[:depth]
        return {self._ids[place]: float(scores[place]) for place in best if scores[place] > 0}
