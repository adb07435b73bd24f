"""Search over all passages of an engine, or over candidates that centroids find; with their words, too, on request."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from optical.collections import MetadataValue, reciprocal_rank_fusion
from optical.errors import OpticalError
from optical.index.centroids import SAMPLE, Centroids, number_of_centroids
from optical.index.checks import check_k, check_query, check_terms
from optical.index.engine import Engine, Found, Place
from optical.index.filters import Filter, parse_filter
from optical.index.word_search import search_words
from optical.progress import count_progress

# Up to so many passages all are scored.
EXACT_UP_TO = 8192
CANDIDATES = 1200
# The best of each of two rankings that are fused.
_FUSED = 100
# With more than this share of the passages as candidates, scoring all is no slower.
_SHARE = 4
# Centroids are trained anew when there are so many times the passages that they were trained with.
_GROWTH = 4
_MARKED_TOGETHER = 512


@dataclass(frozen=True)
class Hit:
    """One search result: ``rank`` counts from 1, ``score`` is MaxSim summed over the query's tokens.

    In a hybrid search it is that of :func:`optical.collections.reciprocal_rank_fusion`.
    """

    id: str
    score: float
    rank: int
    title: str
    text: str
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, hash=False)


class CentroidSearch:
    """Search of the engine at a place, by the centroids that are there once :meth:`optimise` has made them."""

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine = engine
        self._place = place

    @property
    def centroids(self) -> Centroids | None:
        """Those that the passages are marked by now, if they are."""
        return self._place.centroids

    @property
    def optimise_is_due(self) -> bool:
        """Whether there are many passages, and no centroids or those of a quarter of the passages."""
        count = self._engine.count
        centroids = self.centroids
        trained_with = 0 if centroids is None else centroids.passages
        return count > EXACT_UP_TO and count >= _GROWTH * trained_with

    def search(
        self,
        queries: Sequence[torch.Tensor],
        k: int,
        filter: str | None,
        exact: bool | None,
        terms: Sequence[Sequence[Mapping[str, float]]] | None = None,
    ) -> list[list[Hit]]:
        """See :meth:`optical.index.Index.search_vectors`."""
        engine = self._engine
        check_k(k)
        count = engine.count  # on a server a request, so only once
        for query in queries:
            check_query(query, engine.dimension)
        if terms is not None:
            check_terms(terms, len(queries), engine)
        queries = [query.detach().to("cpu", torch.float32) for query in queries]
        condition = None if filter is None else parse_filter(filter, engine.fields)
        if count == 0:
            return [[] for _ in queries]
        k = min(k, count)
        if terms is None:
            return [_hits(found) for found in self._nearest(queries, k, condition, exact, count)]
        depth = min(max(_FUSED, k), count)
        nearest = self._nearest(queries, depth, condition, exact, count)
        lexical = search_words(engine, terms, depth, count, condition)
        return [_hits(_fused(each)[:k]) for each in zip(nearest, lexical, strict=True)]

    def _nearest(
        self,
        queries: Sequence[torch.Tensor],
        k: int,
        condition: Filter | None,
        exact: bool | None,
        count: int,
    ) -> list[list[Found]]:
        """Return the passages with the greatest MaxSim, of ``count``."""
        engine, centroids = self._engine, self.centroids
        number = max(CANDIDATES, 10 * k)
        if exact is None:
            exact = centroids is None or count <= max(EXACT_UP_TO, _SHARE * number)
        if exact:
            return engine.search(queries, k, condition)
        if centroids is None:
            raise OpticalError(
                "The index has no centroids to find candidates by. Run `optical index optimise` on it, or score all "
                "passages."
            )
        candidates = (number, [centroids.of_query(query) for query in queries])
        results = engine.search(queries, k, condition, candidates)
        # Where nothing is near a query, or a filter leaves little of what is, there are fewer candidates than k.
        short = [place for place, found in enumerate(results) if len(found) < k]
        again = engine.search([queries[place] for place in short], k, condition)
        for place, found in zip(short, again, strict=True):
            results[place] = found
        return results

    def optimise(self, *, progress: bool = False) -> None:
        """Train the centroids anew on a sample of the passages, mark all passages by them, and merge the files."""
        # What is marked by two sets of centroids must not be searched by either, stopped here or not.
        self._place.put_centroids(None)
        engine = self._engine
        count = engine.count
        if count == 0:
            return
        tokens = engine.token_count
        number = number_of_centroids(tokens)
        centroids = Centroids.train(_sample(engine, min(SAMPLE * number, tokens)), number, count)
        passages = engine.vectors()
        with count_progress("Optimising", "passages", count, shown=progress) as done:
            while chunk := list(itertools.islice(passages, _MARKED_TOGETHER)):
                marks = centroids.of_passages([vectors for _, vectors in chunk])
                engine.mark(dict(zip([id_ for id_, _ in chunk], marks, strict=True)))
                done(len(chunk))
        engine.merge()
        engine.flush()
        self._place.put_centroids(centroids)


def _sample(engine: Engine, number: int) -> torch.Tensor:
    """Return the first ``number`` token vectors, float16; fewer if others have removed some meanwhile."""
    # Passages come in an order without meaning, so the first are a sample.
    sample = torch.empty(number, engine.dimension, dtype=torch.float16)
    filled = 0
    for _, vectors in engine.vectors():
        part = vectors[: number - filled]
        sample[filled : filled + len(part)] = part
        filled += len(part)
        if filled == number:
            break
    return sample[:filled]


def _fused(rankings: Sequence[Sequence[Found]]) -> list[Found]:
    passages = {each.passage.id: each.passage for ranking in rankings for each in ranking}
    scores = reciprocal_rank_fusion([each.passage.id for each in ranking] for ranking in rankings)
    return [Found(passages[id_], score) for id_, score in scores.items()]


def _hits(found: Sequence[Found]) -> list[Hit]:
    return [
        Hit(each.passage.id, each.score, rank, each.passage.title, each.passage.text, each.passage.metadata)
        for rank, each in enumerate(found, start=1)
    ]
