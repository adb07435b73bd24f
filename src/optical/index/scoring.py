"""MaxSim of many queries with all passages of a pool that fits in memory."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

# A block of float32 vectors (2 MB at 128 dimensions) and its similarities to a group of query tokens (4 MB)
# stay in a core's cache: measured, 1,024 to 4,096 are alike, 16,384 is slower.
BLOCK_TOKENS = 4096
QUERY_TOKENS = 256
# More than the float32 rounding error of one dot product of unit vectors.
_ROUNDING = 1e-5

_spawning = threading.Lock()


class Pool:
    """Passages in memory: their ``ids``, and their token vectors as float16, 2 bytes a component."""

    def __init__(self, ids: Sequence[str], vectors: Sequence[torch.Tensor]) -> None:
        self._ids = ids
        lengths = np.asarray([len(each) for each in vectors], dtype=np.int64)
        self._blocks = [
            (
                first,
                last,
                torch.cat(list(vectors[first:last])),
                np.cumsum(lengths[first:last]) - lengths[first:last],
            )
            for first, last in _blocks(lengths, BLOCK_TOKENS)
        ]

    def contenders(self, queries: Sequence[torch.Tensor], k: int) -> Iterator[list[str]]:
        """For each query yield the ids of the best ``k`` passages and of all that rounding could put there.

        Args:
            queries: float32 (tokens, dimension) each.
            k: at most the number of passages.
        """
        for first, last in _blocks(np.asarray([len(query) for query in queries]), QUERY_TOKENS):
            group = queries[first:last]
            for query, scores in zip(group, self._scores(group), strict=True):
                cut = np.partition(scores, len(scores) - k)[len(scores) - k]
                slack = _ROUNDING * float(torch.linalg.vector_norm(query, dim=1).sum())
                yield [self._ids[row] for row in np.flatnonzero(scores >= cut - slack).tolist()]

    def _scores(self, queries: Sequence[torch.Tensor]) -> npt.NDArray[np.float32]:
        tokens = torch.cat(list(queries))
        starts = np.cumsum([0] + [len(query) for query in queries[:-1]])
        scores = np.empty((len(queries), len(self._ids)), dtype=np.float32)

        def score(worker: int) -> None:
            buffer = torch.empty(0)
            for first, last, vectors, begins in self._blocks[worker::workers]:
                if len(buffer) < len(vectors):
                    buffer = torch.empty(vectors.shape)
                similarities = tokens @ buffer[: len(vectors)].copy_(vectors).T
                best = np.maximum.reduceat(similarities.numpy(), begins, axis=1)
                scores[:, first:last] = np.add.reduceat(best, starts, axis=0)

        workers = min(torch.get_num_threads(), len(self._blocks))
        with _single_threaded_workers(workers) as threads:
            list(threads.map(score, range(workers)))
        return scores


def _blocks(lengths: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Cut rows into consecutive ranges of at most ``limit`` tokens; a longer row has a range to itself."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield first, last
        first = last


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
