"""The cluster engine: one collection of a Qdrant server or cluster."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import torch
from qdrant_client import QdrantClient, models

from optical.collections import Passage
from optical.index.centroids import Sparse
from optical.index.cluster.collection import Collection
from optical.index.cluster.schema import FIELD_INDEX, PASSAGES, condition, point
from optical.index.engine import Document, Found, IndexUnavailableError
from optical.index.filters import Filter, Kind
from optical.index.lexical import LexicalVectors
from optical.index.payload import CENTROIDS, TOKENS, WORDS, field_path, passage_of, point_id, rarity
from optical.index.ranking import best, largest_maxsim

# Requests at a time, and their size; a server takes up to 32 MB by default. A component takes about 14 characters.
_UPLOADS = 4
_UPLOADED_TOGETHER = 8 * 2**20
_COMPONENT = 14
_SEARCHED_TOGETHER = 16
_READ_TOGETHER = 128
_LISTED_TOGETHER = 8192
_FETCHED_TOGETHER = 512
_ASKED_TOGETHER = 256
_FIELD = "optical_field:"


class ClusterEngine:
    """See :class:`optical.index.engine.Engine`; vectors are stored as :class:`LocalEngine` stores them."""

    def __init__(self, collection: Collection, dimension: int, lexical: LexicalVectors | None) -> None:
        self.dimension = dimension
        self.lexical = lexical
        self._collection = collection

    @property
    def count(self) -> int:
        """See :meth:`optical.index.engine.Engine.count`."""
        return self._collection.read(QdrantClient.count, count_filter=PASSAGES, exact=True).count

    @property
    def token_count(self) -> int:
        """See :meth:`optical.index.engine.Engine.token_count`."""
        return sum(
            payload["tokens"]
            for payload, _ in self._records(_LISTED_TOGETHER, with_payload=["tokens"], with_vectors=False)
        )

    @property
    def fields(self) -> dict[str, Kind]:
        """See :meth:`optical.index.engine.Engine.fields`."""
        return {
            name.removeprefix(_FIELD): kind
            for name, kind in self._collection.metadata().items()
            if name.startswith(_FIELD)
        }

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """See :meth:`optical.index.engine.Engine.declare`."""
        for name, kind in fields.items():
            self._collection.write(
                QdrantClient.create_payload_index, field_path(name, kind), FIELD_INDEX[kind], wait=True
            )
            self._collection.note({f"{_FIELD}{name}": kind})

    def put(self, documents: Sequence[Document]) -> None:
        """Add passages, or replace those whose ids exist.

        They are sent in several requests at a time; what is sent when one fails may be stored or not.
        """
        with ThreadPoolExecutor(_UPLOADS) as pool:
            for _ in pool.map(self._upsert, _pieces(documents, self.dimension)):
                pass

    def mark(self, sparse: Mapping[str, Sparse]) -> None:
        """See :meth:`optical.index.engine.Engine.mark`."""
        vectors = [
            models.PointVectors(
                id=str(point_id(id_)),
                vector={CENTROIDS: models.SparseVector(indices=each.indices, values=each.values)},
            )
            for id_, each in sparse.items()
        ]
        self._collection.write(QdrantClient.update_vectors, vectors, wait=True)

    def delete(self, ids: Iterable[str]) -> None:
        """See :meth:`optical.index.engine.Engine.delete`."""
        remaining = iter(ids)
        while together := list(itertools.islice(remaining, _LISTED_TOGETHER)):
            points = models.PointIdsList(points=[str(point_id(id_)) for id_ in together])
            self._collection.write(QdrantClient.delete, points, wait=True)

    def fetch(self, ids: Sequence[str]) -> dict[str, Passage]:
        """See :meth:`optical.index.engine.Engine.fetch`."""
        found: dict[str, Passage] = {}
        for start in range(0, len(ids), _FETCHED_TOGETHER):
            points = [str(point_id(id_)) for id_ in ids[start : start + _FETCHED_TOGETHER]]
            records: Any = self._collection.read(QdrantClient.retrieve, points, with_payload=True)
            found |= {record.payload["id"]: passage_of(record.payload) for record in records}
        return found

    def ids(self) -> Iterator[str]:
        """See :meth:`optical.index.engine.Engine.ids`."""
        for payload, _ in self._records(_LISTED_TOGETHER, with_payload=["id"], with_vectors=False):
            yield payload["id"]

    def vectors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """See :meth:`optical.index.engine.Engine.vectors`."""
        for payload, vectors in self._records(_READ_TOGETHER, with_payload=["id"], with_vectors=[TOKENS]):
            yield payload["id"], _tensor(vectors)

    def documents(self) -> Iterator[Document]:
        """See :meth:`optical.index.engine.Engine.documents`."""
        for payload, vectors in self._records(
            _READ_TOGETHER, with_payload=True, with_vectors=[TOKENS, CENTROIDS]
        ):
            mark = vectors.get(CENTROIDS)
            sparse = None if mark is None else Sparse(list(mark.indices), list(mark.values))
            yield Document(passage_of(payload), _tensor(vectors), sparse)

    def search(
        self,
        queries: Sequence[torch.Tensor],
        k: int,
        filter: Filter | None = None,
        candidates: tuple[int, Sequence[Sparse]] | None = None,
    ) -> list[list[Found]]:
        """See :meth:`optical.index.engine.Engine.search`."""
        chosen = None if filter is None else models.Filter(must=[condition(filter)])

        narrowings: list[dict[str, Any]] = [{"filter": chosen}] * len(queries)
        if candidates is not None:
            limit, sparse = candidates
            narrowings = [
                {"prefetch": models.Prefetch(query=each, using=CENTROIDS, limit=limit, filter=chosen)}
                for each in map(_sparse_vector, sparse)
            ]
        asked = [
            # Rounded as the vectors are.
            {"query": query.half().tolist(), "using": TOKENS, **narrowing}
            for query, narrowing in zip(queries, narrowings, strict=True)
        ]
        return self._best(asked, [largest_maxsim(query) for query in queries], k)

    def search_words(
        self, queries: Sequence[Sparse], k: int, filter: Filter | None = None
    ) -> list[list[Found]]:
        """See :meth:`optical.index.engine.Engine.search_words`."""
        chosen = None if filter is None else models.Filter(must=[condition(filter)])
        asked = [{**_by_words(query), "filter": chosen} for query in queries]
        return self._best(asked, [math.inf] * len(asked), k)

    def rarities(self, words: Sequence[int]) -> list[float]:
        """See :meth:`optical.index.engine.Engine.rarities`."""
        found: list[float] = []
        for start in range(0, len(words), _ASKED_TOGETHER):
            asked = words[start : start + _ASKED_TOGETHER]
            requests = [models.QueryRequest(limit=1, **_by_words(Sparse([word], [1.0]))) for word in asked]
            answers = self._collection.read(QdrantClient.query_batch_points, requests)
            found += [rarity(word, each.points) for word, each in zip(asked, answers, strict=True)]
        return found

    def merge(self) -> None:
        """Nothing: the server does it by itself."""

    def flush(self) -> None:
        """Nothing: a change is in the logs of most replicas when it returns."""

    def close(self) -> None:
        """Nothing: the place closes the connections."""

    def _best(self, queries: Sequence[dict[str, Any]], largest: Sequence[float], k: int) -> list[list[Found]]:
        def ask(positions: Sequence[int], limit: int) -> list[list[models.ScoredPoint]]:
            answers: list[list[models.ScoredPoint]] = []
            for start in range(0, len(positions), _SEARCHED_TOGETHER):
                requests = [
                    models.QueryRequest(limit=limit, with_payload=True, **queries[position])
                    for position in positions[start : start + _SEARCHED_TOGETHER]
                ]
                results = self._collection.read(QdrantClient.query_batch_points, requests)
                answers += [each.points for each in results]
            return answers

        return best(largest, k, ask, self._damaged)

    def _upsert(self, documents: Sequence[Document]) -> None:
        points = [point(each, self.lexical) for each in documents]
        self._collection.write(QdrantClient.upsert, points, wait=True)

    def _records(self, together: int, **wanted: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        offset = None
        while True:
            records, offset = self._collection.read(
                QdrantClient.scroll,
                scroll_filter=PASSAGES,
                limit=together,
                offset=offset,
                **wanted,
            )
            for record in records:
                yield cast(Any, record.payload), cast(Any, record.vector)
            if offset is None:
                return

    def _damaged(self, reason: str) -> IndexUnavailableError:
        return IndexUnavailableError(
            f"The index {self._collection} is damaged ({reason}). Restore the collection from a snapshot, or remove "
            "it and build it again."
        )


def _pieces(documents: Iterable[Document], dimension: int) -> Iterator[list[Document]]:
    """Yield documents together that make one request."""
    together: list[Document] = []
    size = 0
    for document in documents:
        more = _COMPONENT * dimension * len(document.vectors) + 2 * len(document.passage.text)
        if together and size + more > _UPLOADED_TOGETHER:
            yield together
            together, size = [], 0
        together.append(document)
        size += more
    if together:
        yield together


def _sparse_vector(sparse: Sparse) -> models.SparseVector:
    return models.SparseVector(indices=sparse.indices, values=sparse.values)


def _by_words(query: Sparse) -> dict[str, Any]:
    return {"query": _sparse_vector(query), "using": WORDS, "with_vector": [WORDS]}


def _tensor(vectors: Mapping[str, Any]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(vectors[TOKENS], dtype=np.float16))
