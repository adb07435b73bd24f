"""Hard-max alignment (Chamfer distance): every token of either side goes to the nearest of the other."""

import torch
from torch import Tensor

from optical.objectives.distillation_loss import DistillationLoss, TokenPairs

_BELOW_ANY_COSINE = -2.0


class HardMaxLoss(DistillationLoss):
    r"""Chamfer distance between the teacher's and the student's tokens of a sentence pair.

    .. math:: L = \frac{1}{B} \sum_{p=1}^{B} \frac{1}{2} \Big(
              \frac{1}{m_p} \sum_j \min_i \, (1 - x_{pi}^\top y_{pj})
              + \frac{1}{n_p} \sum_i \min_j \, (1 - x_{pi}^\top y_{pj}) \Big)

    Each student token is pulled to the teacher token nearest to it, and each teacher token pulls the student token
    nearest to it. The matches are held constant in the backward pass. Pairs where a side has no tokens do not count.

    References:
        - Fan, Su and Guibas: A Point Set Generation Network for 3D Object Reconstruction from a Single Image,
          CVPR 2017, https://arxiv.org/abs/1612.00603 (of points in space, with squared distances, which for vectors
          of unit norm are twice those above)

    Relations:
        - :class:`OptimalTransportLoss` gives every token its share of the other side; here several may have the same
          match, and each half alone is 0 when all tokens of one side sit on a single one of the other.
        - :class:`GreedyAlignmentLoss` matches one to one.
        - The first half is 1 minus the MaxSim score (mean over query tokens) that :class:`ContrastiveLoss` compares
          with those of other sentences.

    Example:
        ::

            from optical import distill

            encoder = distill("TEACHER", ["en-sw.tsv"], "sw-encoder", objective="hard-max")
    """

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the mean Chamfer distance of the batch; pairs where a side has no tokens do not count."""
        real = pairs.x_mask.unsqueeze(2) & pairs.y_mask.unsqueeze(1)
        similarity = (pairs.x @ pairs.y.mT).masked_fill(~real, _BELOW_ANY_COSINE)
        # max keeps one match where amax would divide the gradient among equals.
        to_teacher = _mean(1 - similarity.max(1).values, pairs.y_mask)
        to_student = _mean(1 - similarity.max(2).values, pairs.x_mask)
        valid = real.any((1, 2))
        distance = torch.where(valid, (to_teacher + to_student) / 2, 0)
        return distance.sum() / valid.sum().clamp_min(1)

    @property
    def citation(self) -> str:
        """BibTeX entry for the model card."""
        return """
@inproceedings{fan2017point,
    title={A Point Set Generation Network for 3D Object Reconstruction from a Single Image},
    author={Haoqiang Fan and Hao Su and Leonidas J. Guibas},
    booktitle={Proceedings of the IEEE Conference on Computer Vision and Pattern Recognition},
    year={2017},
    url={https://arxiv.org/abs/1612.00603}
}
"""


def _mean(distances: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, distances, 0).sum(1) / mask.sum(1).clamp_min(1)
