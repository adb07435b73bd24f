"""The local engine: one Qdrant Edge shard in a folder."""

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
import torch

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index.centroids import Sparse
from optical.index.engine import Document, Found, IndexUnavailableError
from optical.index.filters import Filter, Kind
from optical.index.lexical import LexicalVectors
from optical.index.payload import CENTROIDS, TOKENS, WORDS, field_path, passage_of, point_id, rarity
from optical.index.ranking import best, largest_maxsim
from optical.index.shard import (
    SCHEMA,
    bytes_on_disk,
    condition,
    configuration,
    damaged,
    field_of,
    point,
    reading,
    writing,
)

# Vectors written in one operation, which the shard redoes as a whole after a crash.
_WRITTEN_TOGETHER = 8192
# The log of changes holds what is not flushed, 4 bytes a component, and is done again on opening after a crash.
_FLUSHED_TOGETHER = 131_072
_READ_TOGETHER = 128
# The shard's files grow by 32 MB at a time, several at once.
_SPACE_TO_WRITE = 256 * 2**20
_SPACE_TO_OPEN = 32 * 2**20


class LocalEngine:
    """Passages with their token vectors, ranked by MaxSim or BM25, in one folder that one process at a time can open.

    Vectors are stored as float16, queries are rounded to it, and scores are summed in float32. Compact vectors have 8
    bits a component instead, which moves a vector by up to about 0.01. Equal scores are in the order of ids. A change
    that returned is kept whatever becomes of the process, and after :meth:`flush` whatever becomes of the machine.
    All methods may be called from several threads, changes from one at a time.

    Every method may raise :class:`OpticalError`: the folder is damaged, or the disk refused.
    """

    def __init__(self, folder: Path, shard: Any, dimension: int, lexical: LexicalVectors | None) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self.dimension = dimension
        self.lexical = lexical
        self._folder = folder
        self._index = folder.parent
        self._shard = shard
        self._unflushed = 0

    @classmethod
    def create(
        cls, folder: Path, dimension: int, *, compact: bool = False, lexical: LexicalVectors | None = None
    ) -> "LocalEngine":
        """Make an empty engine for vectors of ``dimension`` in ``folder``, which must not exist."""
        with writing(folder.parent):
            folder.mkdir()
            shard = edge.EdgeShard.create(str(folder), configuration(dimension, compact, lexical is not None))
            return cls(folder, shard, dimension, lexical)

    @classmethod
    def open(
        cls, folder: Path, dimension: int, *, compact: bool = False, lexical: LexicalVectors | None = None
    ) -> "LocalEngine":
        """Open the folder, redoing what a crash left half-done.

        Args:
            folder: made by :meth:`create`.
            dimension: as it was created with, like the next.
            compact: how vectors are stored.
            lexical: makes the vectors of words, if there are any.

        Raises:
            OpticalError: it is open elsewhere, or damaged, or the disk is full.
        """
        if folder.is_dir():
            _require_space(folder, _SPACE_TO_OPEN)
        try:
            with reading(folder.parent):
                shard = edge.EdgeShard.load(
                    str(folder), configuration(dimension, compact, lexical is not None)
                )
                return cls(folder, shard, dimension, lexical)
        except OpticalError as error:
            if "WouldBlock" not in str(error.__cause__):
                raise
            raise OpticalError(
                f"The index {folder.parent} is open already, here or in another process, and only one can have it. "
                "Close it there first, or search a copy of the folder made while it is closed (Index.snapshot)."
            ) from error

    @property
    def count(self) -> int:
        """See :meth:`optical.index.engine.Engine.count`."""
        with reading(self._index):
            return int(self._shard.count(edge.CountRequest(exact=True)))

    @property
    def token_count(self) -> int:
        """See :meth:`optical.index.engine.Engine.token_count`."""
        return sum(record.payload["tokens"] for record in self._records(with_payload=["tokens"]))

    @property
    def fields(self) -> dict[str, Kind]:
        """See :meth:`optical.index.engine.Engine.fields`."""
        with reading(self._index):
            schema = self._shard.info().payload_schema
        return dict(field_of(path, each) for path, each in schema.items())

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """See :meth:`optical.index.engine.Engine.declare`."""
        for name, kind in fields.items():
            self._update(edge.UpdateOperation.create_field_index(field_path(name, kind), SCHEMA[kind]))

    def put(self, documents: Sequence[Document]) -> None:
        """See :meth:`optical.index.engine.Engine.put`."""
        vectors = sum(len(each.vectors) for each in documents)
        _require_space(self._folder, 4 * self.dimension * vectors + _SPACE_TO_WRITE)
        together: list[Document] = []
        tokens = 0
        for document in documents:
            if together and tokens + len(document.vectors) > _WRITTEN_TOGETHER:
                self._upsert(together)
                together, tokens = [], 0
            together.append(document)
            tokens += len(document.vectors)
        if together:
            self._upsert(together)
        self._unflushed += vectors
        if self._unflushed > _FLUSHED_TOGETHER:
            self.flush()

    def mark(self, sparse: Mapping[str, Sparse]) -> None:
        """See :meth:`optical.index.engine.Engine.mark`."""
        vectors = [
            edge.PointVectors(point_id(id_), {CENTROIDS: edge.SparseVector(*each)})
            for id_, each in sparse.items()
        ]
        self._update(edge.UpdateOperation.update_vectors(vectors))

    def delete(self, ids: Iterable[str]) -> None:
        """Remove passages, all or none; unknown ids do nothing."""
        ids = list(ids)
        self._update(edge.UpdateOperation.delete_points([point_id(id_) for id_ in ids]))
        if self.fetch(ids):
            raise self._forgetful()

    def fetch(self, ids: Sequence[str]) -> dict[str, Passage]:
        """See :meth:`optical.index.engine.Engine.fetch`."""
        with reading(self._index):
            records = self._shard.retrieve([point_id(id_) for id_ in ids], True, False)
        return {record.payload["id"]: passage_of(record.payload) for record in records}

    def ids(self) -> Iterator[str]:
        """See :meth:`optical.index.engine.Engine.ids`."""
        for record in self._records(with_payload=["id"]):
            yield record.payload["id"]

    def vectors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """See :meth:`optical.index.engine.Engine.vectors`."""
        for record in self._records(with_payload=["id"], with_vector=[TOKENS]):
            yield record.payload["id"], torch.from_numpy(np.asarray(record.vector[TOKENS], dtype=np.float16))

    def documents(self) -> Iterator[Document]:
        """See :meth:`optical.index.engine.Engine.documents`."""
        for record in self._records(with_payload=True, with_vector=[TOKENS, CENTROIDS]):
            mark = record.vector.get(CENTROIDS)
            yield Document(
                passage_of(record.payload),
                torch.from_numpy(np.asarray(record.vector[TOKENS], dtype=np.float16)),
                None if mark is None else Sparse(list(mark.indices), list(mark.values)),
            )

    def search(
        self,
        queries: Sequence[torch.Tensor],
        k: int,
        filter: Filter | None = None,
        candidates: tuple[int, Sequence[Sparse]] | None = None,
    ) -> list[list[Found]]:
        """See :meth:`optical.index.engine.Engine.search`."""
        chosen = None if filter is None else edge.Filter(must=[condition(filter)])
        if candidates is None:
            narrowings: list[dict[str, Any]] = [{"filter": chosen}] * len(queries)
        else:
            limit, sparse = candidates
            nearest = [edge.Query.Nearest(edge.SparseVector(*each), using=CENTROIDS) for each in sparse]
            narrowings = [
                {"prefetches": [edge.Prefetch(limit=limit, query=each, filter=chosen)]} for each in nearest
            ]

        asked = [
            {"query": edge.Query.Nearest(query.numpy(), using=TOKENS), **narrowing}  # type: ignore[arg-type]
            for query, narrowing in zip(queries, narrowings, strict=True)
        ]
        return self._best(asked, [largest_maxsim(query) for query in queries], k)

    def search_words(
        self, queries: Sequence[Sparse], k: int, filter: Filter | None = None
    ) -> list[list[Found]]:
        """See :meth:`optical.index.engine.Engine.search_words`."""
        chosen = None if filter is None else edge.Filter(must=[condition(filter)])
        asked = [{**_by_words(query), "filter": chosen} for query in queries]
        return self._best(asked, [math.inf] * len(asked), k)

    def rarities(self, words: Sequence[int]) -> list[float]:
        """See :meth:`optical.index.engine.Engine.rarities`."""
        requests = [edge.QueryRequest(limit=1, **_by_words(Sparse([word], [1.0]))) for word in words]
        with reading(self._index):
            found = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return [rarity(*each) for each in zip(words, found, strict=True)]

    def merge(self) -> None:
        """Rewrite what changes have scattered; takes time, and space for a copy."""
        _require_space(self._folder, 2 * bytes_on_disk(self._folder) + _SPACE_TO_WRITE)
        with writing(self._index):
            self._shard.optimize()

    def flush(self) -> None:
        """Wait until all changes are on the disk."""
        with writing(self._index):
            self._shard.flush()
        self._unflushed = 0

    def close(self) -> None:
        """Flush, and let others open the folder."""
        with writing(self._index):
            self._shard.close()

    def _best(self, queries: Sequence[dict[str, Any]], largest: Sequence[float], k: int) -> list[list[Found]]:
        def ask(positions: Sequence[int], limit: int) -> Any:
            requests = [
                edge.QueryRequest(limit=limit, with_payload=True, **queries[position])
                for position in positions
            ]
            with reading(self._index):
                return self._shard.query_batch(edge.QueryBatchRequest(requests))

        return best(largest, k, ask, lambda reason: damaged(self._index, reason))

    def _records(self, **wanted: Any) -> Iterator[Any]:
        offset = None
        while True:
            with reading(self._index):
                records, offset = self._shard.scroll(
                    edge.ScrollRequest(limit=_READ_TOGETHER, offset=offset, **wanted)
                )
            yield from records
            if offset is None:
                return

    def _upsert(self, documents: Sequence[Document]) -> None:
        self._update(edge.UpdateOperation.upsert_points([point(each, self.lexical) for each in documents]))
        there = self.fetch([each.passage.id for each in documents])
        if any(there.get(each.passage.id) != each.passage for each in documents):
            raise self._forgetful()

    def _forgetful(self) -> IndexUnavailableError:
        # The log numbers the changes. One that has lost its end counts from an earlier number on, and the shard
        # silently takes what comes then for done.
        return damaged(self._index, "it does not keep changes; files of its log are missing")

    def _update(self, operation: Any) -> None:
        with writing(self._index):
            self._shard.update(operation)


def _require_space(folder: Path, needed: int) -> None:
    # The shard writes through memory maps, where a full disk ends the process.
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OpticalError(
            f"The disk of {folder.parent} is full: {free >> 20} MB are free, and {needed >> 20} MB are needed. Free "
            "some space, and give the same command again."
        )


def _by_words(query: Sparse) -> dict[str, Any]:
    return {"query": edge.Query.Nearest(edge.SparseVector(*query), using=WORDS), "with_vector": [WORDS]}
