"""Probabilistic structured queries: English text searched through a translation table."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from optical.bitext import Bitext, QueryTranslations, words
from optical.collections import Passage, Run

_K1 = 1.2
_B = 0.75


class ProbabilisticStructuredQueries:
    r"""BM25 in which each foreign term stands for all its translations at once, weighted by their probability.

    For a foreign term :math:`f` and a passage :math:`D`,

    .. math:: \mathrm{tf}(f, D) = \sum_e p(e \mid f)\, \mathrm{tf}(e, D), \qquad
              \mathrm{df}(f) = \sum_e p(e \mid f)\, \mathrm{df}(e),

    and a passage scores, with :math:`|D|` its length in words and :math:`\overline{|D|}` the mean,

    .. math:: \sum_{f} \log\!\left(1 + \frac{N - \mathrm{df}(f) + 0.5}{\mathrm{df}(f) + 0.5}\right)
              \frac{\mathrm{tf}(f, D)}{\mathrm{tf}(f, D) + 1.2\,(0.25 + 0.75\, |D| / \overline{|D|})}

    over the terms of the query, as often as they stand in it. Terms and translations are those of
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
        self._norm = _K1 * (1 - _B + _B * length / max(length.mean(), 1.0)) if len(length) else length
        self._postings = {word: (np.asarray(places[word]), np.asarray(counts[word])) for word in places}

    def search(self, terms: Sequence[Mapping[str, float]], depth: int) -> dict[str, float]:
        """Return the best passages for terms given by their weighted translations."""
        scores = np.zeros(len(self._ids))
        for translations in terms:
            frequency, documents = np.zeros(len(self._ids)), 0.0
            for word, probability in translations.items():
                if word in self._postings:
                    places, counts = self._postings[word]
                    frequency[places] += probability * counts
                    documents += probability * len(places)
            rarity = np.log1p((len(self._ids) - documents + 0.5) / (documents + 0.5))
            scores += rarity * frequency / (frequency + self._norm)
        best = np.argsort(-scores, kind="stable")[:depth]
        return {self._ids[place]: float(scores[place]) for place in best if scores[place] > 0}
