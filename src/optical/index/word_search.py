"""Search by the words of a query's terms: candidates from the engine, ranked by probabilistic structured queries.

No inverted index of words can rank by those: the frequencies of a term's translations are summed before they are
saturated, and weighted by the rarity of all of them together. So the engine finds candidates by a linear form, BM25 of
the translations, each counting as much as it is probable; these have nearly all that structured queries rank first.
What the formula asks for is in what the engine has for its own BM25: the vectors of the candidates' words, and the
rarity of each word.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from optical.bitext import Postings, structured_scores
from optical.index.centroids import Sparse
from optical.index.engine import Engine, Found
from optical.index.filters import Filter
from optical.index.lexical import relative_frequency, word_index

# Candidates for each passage wanted; checked: 10 or all are no better in the first 100, and 3 a little worse.
_CANDIDATES = 5
# Queries whose candidates, with texts and words, are in memory at a time.
_SEARCHED_TOGETHER = 8


def search_words(
    engine: Engine,
    queries: Sequence[Sequence[Mapping[str, float]]],
    k: int,
    count: int,
    filter: Filter | None = None,
) -> list[list[Found]]:
    """Return passages of each query by :func:`optical.bitext.structured_scores`, best first.

    They are the best ``k`` of the 5 ``k`` that the engine finds. Only those that have a translation of a term are
    returned; equal scores are in the order of ids.

    Args:
        engine: has lexical vectors.
        queries: the terms of each, as :meth:`optical.bitext.QueryTranslations.terms` returns them.
        k: at least 1.
        count: of the engine's passages.
        filter: leaves out passages for which it is false.
    """
    hashed = [[_by_index(translations) for translations in terms] for terms in queries]
    sums = [_sum(terms) for terms in hashed]
    words = list(dict.fromkeys(word for each in sums for word in each.indices))
    rarities = zip(words, engine.rarities(words), strict=True)
    documents = {word: _documents(rarity, count) for word, rarity in rarities}
    ranked: list[list[Found]] = []
    for start in range(0, len(queries), _SEARCHED_TOGETHER):
        chunk = slice(start, start + _SEARCHED_TOGETHER)
        found = engine.search_words(sums[chunk], _CANDIDATES * k, filter)
        for terms, candidates in zip(hashed[chunk], found, strict=True):
            ranked.append(_ranked(terms, candidates, documents, count)[:k])
    return ranked


def _documents(rarity: float, count: int) -> float:
    """Return how many of ``count`` passages have a word, from its rarity in BM25.

    An engine may count passages that were removed, or those of a part of the collection; what cannot be is mended.
    """
    if math.isinf(rarity):
        return 0.0
    return min(max(1.0, (count + 1) * math.exp(-rarity) - 0.5), float(count))


def _by_index(translations: Mapping[str, float]) -> dict[int, float]:
    probabilities: Counter[int] = Counter()
    for word, probability in translations.items():
        probabilities[word_index(word)] += probability  # type: ignore[assignment]
    return dict(probabilities)


def _sum(terms: Sequence[Mapping[int, float]]) -> Sparse:
    weights: dict[int, float] = {}
    for translations in terms:
        for word, probability in translations.items():
            weights[word] = weights.get(word, 0.0) + probability
    return Sparse(list(weights), list(weights.values()))


def _ranked(
    terms: Sequence[Mapping[int, float]],
    candidates: Sequence[Found],
    documents: Mapping[int, float],
    count: int,
) -> list[Found]:
    """Return the candidates, best first."""
    places: dict[int, list[int]] = {word: [] for translations in terms for word in translations}
    frequencies: dict[int, list[float]] = {word: [] for word in places}
    for place, candidate in enumerate(candidates):
        values = dict(zip(*candidate.words, strict=True))
        for word in places.keys() & values.keys():
            places[word].append(place)
            frequencies[word].append(relative_frequency(values[word]))
    postings = {
        word: Postings(
            np.asarray(places[word], dtype=np.int64), np.asarray(frequencies[word]), documents[word]
        )
        for word in places
    }
    scores = structured_scores(terms, postings, np.ones(len(candidates)), count)
    ranked = [
        Found(candidate.passage, float(score))
        for candidate, score in zip(candidates, scores, strict=True)
        if score > 0  # its words may have changed since it was found
    ]
    return sorted(ranked, key=lambda each: (-each.score, each.passage.id))
