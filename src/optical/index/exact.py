"""Exact MaxSim over vectors on disk: the engine for small pools, and the reference for every other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from optical.errors import OpticalError
from optical.index.engine import check_k, check_query, check_vectors
from optical.index.scoring import BLOCK_TOKENS, Layout, maxsim
from optical.index.segments import Segment, SegmentWriter, State, blocks, commit, empty_state, load_state

QUERY_TOKENS = 256
MOST_SEGMENTS = 16
# More than the float32 rounding error of one dot product of unit vectors.
ROUNDING = 1e-5


class ExactEngine:
    """An :class:`optical.index.engine.Engine` without approximation, in memory-mapped float16.

    Scores are those of the stored float16 vectors, computed in float64 for the results and rounded to
    float32, so they do not depend on which queries were searched together or on where a document lies.
    Searching from several threads is safe; changing is for one thread of one process at a time.
    """

    def __init__(self, folder: Path, state: State) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self._folder = folder
        self._state = state
        self._writer: SegmentWriter | None = None
        self._row_of = {int(state.ids[row]): int(row) for row in np.flatnonzero(state.alive)}
        self._cached_layout: Layout | None = None

    @classmethod
    def create(cls, folder: Path, dimension: int) -> "ExactEngine":
        """Make an empty engine for vectors of ``dimension`` in ``folder``, which must not exist."""
        folder.mkdir()
        state = empty_state(dimension)
        commit(folder, state)
        return cls(folder, state)

    @classmethod
    def open(cls, folder: Path) -> "ExactEngine":
        """Open the state of the last flush.

        Raises:
            OpticalError: files are missing, truncated or corrupt.
        """
        return cls(folder, load_state(folder))

    @property
    def count(self) -> int:
        """Number of documents."""
        return len(self._row_of)

    @property
    def token_count(self) -> int:
        """Number of vectors over all documents."""
        return int(self._state.lengths[self._state.alive].sum())

    @property
    def dimension(self) -> int:
        """Size of a vector."""
        return self._state.dimension

    def add(self, ids: Sequence[int], vectors: Sequence[torch.Tensor]) -> None:
        """See :meth:`Engine.add`. A replaced document counts as inserted now.

        Raises:
            OpticalError: a check failed; nothing was written.
            OSError: the disk refused; nothing was added.
        """
        check_vectors(ids, vectors, self.dimension)
        if not ids:
            return
        state = self._state
        fresh = self._writer is None
        if self._writer is None:
            self._writer = SegmentWriter(
                self._folder / f"{state.generation + 1:06d}-added.f16", self.dimension
            )
        segment = self._writer.write(vectors)
        if fresh:
            state.segments.append(segment)
        else:
            state.segments[-1] = segment
        first = len(state.ids)
        state.alive[[self._row_of[id_] for id_ in ids if id_ in self._row_of]] = False
        state.ids = np.concatenate([state.ids, np.asarray(ids, dtype=np.int64)])
        state.lengths = np.concatenate([state.lengths, [len(document) for document in vectors]])
        state.alive = np.concatenate([state.alive, np.ones(len(ids), dtype=np.bool_)])
        self._row_of.update({int(id_): first + position for position, id_ in enumerate(ids)})
        self._cached_layout = None

    def delete(self, ids: Sequence[int]) -> None:
        """See :meth:`Engine.delete`."""
        for id_ in ids:
            if id_ not in self._row_of:
                raise OpticalError(f"There is no passage {id_} to delete. Give ids that were added.")
        for id_ in dict.fromkeys(ids):
            self._state.alive[self._row_of.pop(id_)] = False

    def contains(self, ids: Sequence[int]) -> list[bool]:
        """See :meth:`Engine.contains`."""
        return [id_ in self._row_of for id_ in ids]

    def search(self, query: torch.Tensor, k: int) -> list[tuple[int, float]]:
        """See :meth:`Engine.search`."""
        return self.search_many([query], k)[0]

    def search_many(self, queries: Sequence[torch.Tensor], k: int) -> list[list[tuple[int, float]]]:
        """See :meth:`Engine.search_many`. Memory: 4 bytes per document for about 25 queries at once."""
        check_k(k, self.count)
        prepared = [check_query(query, self.dimension) for query in queries]
        results = []
        lengths = np.asarray([len(query) for query in prepared], dtype=np.int64)
        for first, last in blocks(lengths, QUERY_TOKENS):
            group = prepared[first:last]
            scores = self._layout().scores(group)
            results += [self._best(query, row, k) for query, row in zip(group, scores, strict=True)]
        return results

    def flush(self) -> None:
        """See :meth:`Engine.flush`. Reclaims space when more than half of the vectors are dead."""
        if self._writer is not None:
            self._writer.finish()
            self._writer = None
        state = self._state
        if 2 * self.token_count < state.lengths.sum() or len(state.segments) > MOST_SEGMENTS:
            self._compact()
        commit(self._folder, self._state)

    def close(self) -> None:
        """See :meth:`Engine.close`."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None
        self._state = empty_state(self.dimension)
        self._row_of = {}
        self._cached_layout = None

    def _compact(self) -> None:
        state = self._state
        rows = np.flatnonzero(state.alive)
        segments: list[Segment] = []
        if len(rows):
            path = self._folder / f"{state.generation + 1:06d}-merged.f16"
            writer = SegmentWriter(path, self.dimension)
            try:
                for first, last in blocks(state.lengths[rows], BLOCK_TOKENS):
                    segments = [writer.write(self._layout().documents(rows[first:last]))]
                writer.finish()
            except BaseException:
                writer.discard()
                raise
        self._state = State(
            state.generation,
            state.dimension,
            segments,
            state.ids[rows],
            state.lengths[rows],
            state.alive[rows],
        )
        self._row_of = {int(id_): row for row, id_ in enumerate(self._state.ids)}
        self._cached_layout = None

    def _best(self, query: torch.Tensor, scores: npt.NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        scores[~self._state.alive] = -np.inf
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        slack = ROUNDING * float(torch.linalg.vector_norm(query, dim=1).sum())
        rows = np.flatnonzero(scores >= cut - slack)
        precise = self._precise_scores(query, rows)
        order = np.argsort(-precise, kind="stable")[:k]
        return [(int(self._state.ids[rows[each]]), float(precise[each])) for each in order]

    def _precise_scores(self, query: torch.Tensor, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        # Float32 products round differently with the position in a block and with the number of queries, so
        # equal documents could swap places; float64 rounded to float32 makes equal scores equal.
        scores = np.empty(len(rows), dtype=np.float32)
        for first, last in blocks(self._state.lengths[rows], BLOCK_TOKENS):
            documents = self._layout().documents(rows[first:last])
            scores[first:last] = maxsim(query.double(), documents)
        return scores

    def _layout(self) -> Layout:
        if self._cached_layout is None:
            self._cached_layout = Layout(self._state)
        return self._cached_layout
