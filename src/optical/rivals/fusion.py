"""Several systems' rankings made one."""

import itertools
from collections.abc import Mapping, Sequence

from optical.collections import Run, ranked, reciprocal_rank_fusion
from optical.rivals.system import System


def fuse(runs: Sequence[Run], depth: int = 100) -> Run:
    """Return the reciprocal rank fusion of runs (:func:`optical.collections.reciprocal_rank_fusion`).

    Args:
        runs: any number of them, whose results are in the order of :func:`optical.collections.ranked`.
        depth: passages to keep for a query.
    """
    rankings: dict[str, list[list[str]]] = {}
    for run in runs:
        for query, passages in ranked(run):
            rankings.setdefault(query, []).append(passages)
    return {
        query: dict(itertools.islice(reciprocal_rank_fusion(each).items(), depth))
        for query, each in rankings.items()
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
