"""MaxSim of a few queries against all documents of the exact engine."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from optical.index.segments import State, blocks

# A block of float32 vectors (2 MB at 128 dimensions) and its similarities to a group of query tokens (4 MB)
# stay in a core's cache: measured, 1,024 to 4,096 are alike, 16,384 is slower.
BLOCK_TOKENS = 4096

_spawning = threading.Lock()


@dataclass(frozen=True)
class _Block:
    first: int
    last: int
    vectors: torch.Tensor
    starts: npt.NDArray[np.int64]


class Layout:
    """Where the documents of a state lie in its segments, cut into blocks that fit a core's cache."""

    def __init__(self, state: State) -> None:
        """Lay out ``state``, whose rows must not change while the layout is used."""
        self._segments = state.segments
        self._lengths = state.lengths
        self._blocks: list[_Block] = []
        segments, starts = [], []
        offset = 0
        for number, segment in enumerate(state.segments):
            lengths = state.lengths[offset : offset + segment.rows]
            begins = np.cumsum(lengths) - lengths
            for first, last in blocks(lengths, BLOCK_TOKENS):
                begin, end = begins[first], begins[last - 1] + lengths[last - 1]
                relative = begins[first:last] - begin
                vectors = segment.vectors[int(begin) : int(end)]
                self._blocks.append(_Block(offset + first, offset + last, vectors, relative))
            segments.append(np.full(segment.rows, number))
            starts.append(begins)
            offset += segment.rows
        self._segment_of_row = np.concatenate([np.empty(0, dtype=np.int64), *segments])
        self._start_of_row = np.concatenate([np.empty(0, dtype=np.int64), *starts])

    def documents(self, rows: npt.NDArray[np.int64]) -> list[torch.Tensor]:
        """The stored vectors of ``rows``: float16 (tokens, dimension) each."""
        places = zip(
            self._segment_of_row[rows].tolist(),
            self._start_of_row[rows].tolist(),
            self._lengths[rows].tolist(),
            strict=True,
        )
        return [self._segments[segment].vectors[start : start + length] for segment, start, length in places]

    def scores(self, queries: Sequence[torch.Tensor]) -> npt.NDArray[np.float32]:
        """MaxSim of each query, float32 (tokens, dimension), with every row: float32 (queries, rows)."""
        tokens = torch.cat(list(queries))
        starts = np.cumsum([0] + [len(query) for query in queries[:-1]])
        scores = np.empty((len(queries), len(self._lengths)), dtype=np.float32)

        def score(share: Sequence[_Block]) -> None:
            buffer = torch.empty(max(len(block.vectors) for block in share), tokens.shape[1])
            for block in share:
                vectors = buffer[: len(block.vectors)].copy_(block.vectors)
                best = np.maximum.reduceat((tokens @ vectors.T).numpy(), block.starts, axis=1)
                scores[:, block.first : block.last] = np.add.reduceat(best, starts, axis=0)

        workers = min(torch.get_num_threads(), len(self._blocks))
        with _single_threaded_workers(workers) as pool:
            list(pool.map(score, [self._blocks[worker::workers] for worker in range(workers)]))
        return scores


def maxsim(query: torch.Tensor, documents: Sequence[torch.Tensor]) -> npt.NDArray[np.float64]:
    """MaxSim of one query (tokens, dimension) with each document, in the precision of the query."""
    vectors = torch.cat(list(documents)).to(query.dtype)
    starts = np.cumsum([0] + [len(document) for document in documents[:-1]])
    best: npt.NDArray[np.float64] = np.maximum.reduceat((query @ vectors.T).numpy(), starts, axis=1)
    scores: npt.NDArray[np.float64] = best.sum(axis=0)
    return scores


@contextmanager
def _single_threaded_workers(number: int) -> Iterator[ThreadPoolExecutor]:
    # Torch's own threads meet at a barrier after every small product, which is many times slower as soon as
    # another process wants a core. A worker can only set its own number of threads together with the
    # default for threads yet to come, so the default is restored before anything else runs.
    with ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        with _spawning:
            threads = torch.get_num_threads()
            ready = threading.Barrier(number + 1)
            for _ in range(number):
                pool.submit(ready.wait)
            ready.wait()
            torch.set_num_threads(threads)
        yield pool
