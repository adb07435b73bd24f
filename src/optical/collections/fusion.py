"""Several rankings made one."""

from collections.abc import Iterable, Sequence

_SMOOTHING = 60  # Cormack et al. 2009, section 2


def reciprocal_rank_fusion(rankings: Iterable[Sequence[str]]) -> dict[str, float]:
    r"""Return the scores of what is ranked by id in any number of rankings: best first, ties in the order of ids.

    An id scores :math:`\sum_r 1 / (60 + \mathrm{rank}_r)` over the rankings that have it, ranks from 1. See Cormack,
    Clarke and Büttcher: Reciprocal rank fusion outperforms Condorcet and individual rank learning methods, SIGIR 2009.
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, id_ in enumerate(ranking, start=1):
            scores[id_] = scores.get(id_, 0.0) + 1 / (_SMOOTHING + rank)
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
