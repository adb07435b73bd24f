"""The formula of probabilistic structured queries: BM25 of terms that are known by their translations."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

_K1 = 1.2
_B = 0.75

Word = TypeVar("Word", bound=Hashable)
Lengths = TypeVar("Lengths", float, NDArray[np.float64])


class Postings(NamedTuple):
    """Where a word stands, how often in each of these places, and in how many passages of the whole collection."""

    places: NDArray[np.int64]
    frequencies: NDArray[Any]
    documents: float


def length_norm(length: Lengths, mean: float) -> Lengths:
    """Return the frequency at which a word has half its greatest weight in passages of these lengths, in words.

    See Robertson and Zaragoza: The probabilistic relevance framework: BM25 and beyond, 2009.
    """
    return _K1 * (1 - _B + _B * length / mean)


def structured_scores(
    terms: Sequence[Mapping[Word, float]],
    postings: Mapping[Word, Postings],
    norms: NDArray[np.float64],
    passages: int,
) -> NDArray[np.float64]:
    r"""Return how well passages match a query whose terms stand for all their translations at once.

    For a term :math:`f` with the probabilities :math:`p(e \mid f)` of its translations and a passage :math:`D`,

    .. math:: \mathrm{tf}(f, D) = \sum_e p(e \mid f)\, \mathrm{tf}(e, D), \qquad
              \mathrm{df}(f) = \sum_e p(e \mid f)\, \mathrm{df}(e),

    and a passage scores, with its norm :math:`n_D` and :math:`N` passages in the collection,

    .. math:: \sum_{f} \log\!\left(1 + \frac{N - \mathrm{df}(f) + 0.5}{\mathrm{df}(f) + 0.5}\right)
              \frac{\mathrm{tf}(f, D)}{\mathrm{tf}(f, D) + n_D}

    over the terms of the query, as often as they stand in it. See Darwish and Oard: Probabilistic structured query
    methods, SIGIR 2003.

    Args:
        terms: the probabilities of each term's translations, with a sum of 1 at the most.
        postings: of translations, with places in ``norms``; those that the collection lacks may be left out.
        norms: :func:`length_norm` of the passages to score. Or 1, with frequencies divided by it.
        passages: how many the collection has.
    """
    scores = np.zeros(len(norms))
    for translations in terms:
        frequency, documents = np.zeros(len(norms)), 0.0
        for word, probability in translations.items():
            if word in postings:
                places, frequencies, documents_of_word = postings[word]
                frequency[places] += probability * frequencies
                documents += probability * documents_of_word
        # By rounding it may be more than there are, and a rarity below 0 would turn the ranking.
        documents = min(documents, passages)
        rarity = np.log1p((passages - documents + 0.5) / (documents + 0.5))
        scores += rarity * frequency / (frequency + norms)
    return scores
