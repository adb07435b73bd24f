"""MaxSim of many queries with many passages, in pieces that suit the device."""

from collections.abc import Sequence

import torch
from sentence_transformers.util import maxsim
from torch import Tensor

# Components of vectors and similarities at a time: what a processor's cache holds is compared several times as fast.
_COMPARED_TOGETHER = 300_000


def maxsim_scores(
    queries: Sequence[Tensor], passages: Sequence[Tensor], device: torch.device | str = "cpu"
) -> Tensor:
    r"""Compare every query with every passage.

    .. math:: s_{qp} = \sum_i \max_j \langle x_{qi}, y_{pj} \rangle

    Texts of similar length are compared together, as a piece is padded to its longest.

    Args:
        queries: token vectors of each, (n, d).
        passages: likewise, (m, d).
        device: to compute on; all vectors may lie on the processor.

    Returns:
        Scores, (queries, passages) float32, on the processor.

    Source:
        Khattab and Zaharia, SIGIR 2020, https://arxiv.org/abs/2004.12832, section 3.3.
    """
    device = torch.device(device)
    by_length = [
        sorted(range(len(texts)), key=lambda each: len(texts[each])) for texts in (queries, passages)
    ]
    scores = maxsim(
        [queries[each] for each in by_length[0]],
        [passages[each] for each in by_length[1]],
        chunk_elements=_COMPARED_TOGETHER if device.type == "cpu" else None,
        device=device,
    )
    rows, columns = (torch.tensor(order).argsort() for order in by_length)
    return scores.cpu()[rows][:, columns]  # type: ignore[no-any-return]
