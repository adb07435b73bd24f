"""Several systems' rankings made one."""

from collections.abc import Mapping, Sequence

from optical.collections import Run, ranked
from optical.rivals.system import System

_SMOOTHING = 60  # Cormack et al. 2009, section 2


def fuse(runs: Sequence[Run], depth: int = 100) -> Run:
    r"""Return the reciprocal rank fusion of runs.

    A passage scores :math:`\sum_r 1 / (60 + \mathrm{rank}_r)` over the runs that have it among their results for the
    query, ranks from 1 in the order of :func:`optical.collections.ranked`. See Cormack, Clarke and Büttcher:
    Reciprocal rank fusion outperforms Condorcet and individual rank learning methods, SIGIR 2009.

    Args:
        runs: any number of them.
        depth: passages to keep for a query.
    """
    fused: Run = {}
    for run in runs:
        for query, passages in ranked(run):
            scores = fused.setdefault(query, {})
            for rank, passage in enumerate(passages, start=1):
                scores[passage] = scores.get(passage, 0.0) + 1 / (_SMOOTHING + rank)
    return {
        query: {passage: fused[query][passage] for passage in passages[:depth]}
        for query, passages in ranked(fused)
    }


class Fusion:
    """Systems that answer together, by :func:`fuse`.

    Args:
        systems: at least one.
    """

    def __init__(self, systems: Sequence[System]) -> None:
        self._systems = list(systems)

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`; each system ranks ``depth`` passages."""
        return fuse([system.rank(queries, depth) for system in self._systems], depth)
