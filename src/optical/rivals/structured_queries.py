"""Probabilistic structured queries: English text searched through a translation table."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from optical.bitext import Bitext, Postings, QueryTranslations, length_norm, structured_scores, words
from optical.collections import Passage, Run


class ProbabilisticStructuredQueries:
    """BM25 in which each foreign term stands for all its translations at once, weighted by their probability.

    The formula is that of :func:`optical.bitext.structured_scores`, terms and translations are those of
    :class:`optical.bitext.QueryTranslations`.

    Args:
        bitext: sentence pairs.
        passages: title and text are searched.

    References:
        - Darwish and Oard: Probabilistic structured query methods, SIGIR 2003
        - Robertson and Zaragoza: The probabilistic relevance framework: BM25 and beyond, 2009
    """

    def __init__(self, bitext: Bitext, passages: Iterable[Passage]) -> None:
        self._translations = QueryTranslations.estimate(bitext)
        self._passages = _InvertedIndex(passages)

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`; only passages with a translation of a term are returned."""
        return {
            query: self._passages.search(self._translations.terms(text), depth)
            for query, text in queries.items()
        }


class _InvertedIndex:
    """Where each word stands, and how often."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._ids: list[str] = []
        lengths: list[int] = []
        places: dict[str, list[int]] = {}
        counts: dict[str, list[int]] = {}
        # In the order of ids, so that a stable sort breaks ties as `ranked` does.
        for passage in sorted(passages, key=lambda passage: passage.id):
            found = Counter(words(passage.content))
            for word, count in found.items():
                places.setdefault(word, []).append(len(self._ids))
                counts.setdefault(word, []).append(count)
            self._ids.append(passage.id)
            lengths.append(found.total())
        length = np.asarray(lengths, dtype=np.float64)
        self._norms = length_norm(length, max(length.mean(), 1.0)) if len(length) else length
        self._postings = {
            word: Postings(np.asarray(places[word]), np.asarray(counts[word]), len(places[word]))
            for word in places
        }

    def search(self, terms: Sequence[Mapping[str, float]], depth: int) -> dict[str, float]:
        """Return the best passages for terms given by their weighted translations."""
        scores = structured_scores(terms, self._postings, self._norms, len(self._ids))
        best = np.argsort(-scores, kind="stable")[:depth]
        return {self._ids[place]: float(scores[place]) for place in best if scores[place] > 0}
