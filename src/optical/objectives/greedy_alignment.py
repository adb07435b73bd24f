"""Greedy alignment: each teacher token goes to the student token that wants it most, one to one."""

import torch
from torch import Tensor

from optical.objectives.distillation_loss import DistillationLoss, TokenPairs


class GreedyAlignmentLoss(DistillationLoss):
    r"""Cosine distance of the tokens of a sentence pair that a greedy one-to-one alignment brings together.

    The most similar teacher and student token of the pair are matched and taken out, then the most similar of those
    left, and so on until one side has none left. With :math:`M_p` the matches of pair :math:`p`,

    .. math:: L = \frac{1}{B} \sum_{p=1}^{B} \frac{1}{|M_p|} \sum_{(i, j) \in M_p} 1 - x_{pi}^\top y_{pj},
              \qquad |M_p| = \min(n_p, m_p).

    The matches are held constant in the backward pass. As all vectors have unit norm, the distance is half the squared
    Euclidean one: this is the mean squared error of Dr.DECR times half the dimension, so that its size is comparable
    with that of a transport cost. Tokens that the longer side has left over are pulled nowhere. Pairs where a side
    has no tokens do not count.

    The alignment is that of Dr.DECR, which aligns one-to-one in order of falling cosine similarity as well. What
    differs is what is aligned: there, queries on both sides are filled up with [MASK] to 32 positions, all of which
    take part, so that nothing is left over; here, the tokens that take part in scoring do, be they words, special
    tokens or query expansion. Dr.DECR also compares passages, position by position, and trains on relevance scores;
    both are left out, as bitext has neither.

    References:
        - Li, Franz, Sultan, Iyer, Lee and Sil: Learning Cross-Lingual IR from an English Retriever, NAACL 2022,
          https://arxiv.org/abs/2112.08185

    Relations:
        - :class:`OptimalTransportLoss` looks for the matches that are best together, and splits tokens where the
          lengths differ.
        - :class:`HardMaxLoss` lets several tokens have the same match.

    Example:
        ::

            from optical import distill

            encoder = distill("TEACHER", ["en-sw.tsv"], "sw-encoder", objective="greedy")
    """

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the mean distance of the matches; pairs without any do not count."""
        similarity = pairs.x @ pairs.y.mT
        real = pairs.x_mask.unsqueeze(2) & pairs.y_mask.unsqueeze(1)
        matched = _match(similarity.detach().masked_fill(~real, -torch.inf))
        matches = matched.sum((1, 2))
        distance = torch.where(matched, 1 - similarity, 0).sum((1, 2)) / matches.clamp_min(1)
        # Matches among NaN mean nothing, and a student that makes NaN must not look perfect.
        broken = (similarity.isnan() & real).any((1, 2))
        distance = torch.where(broken, torch.nan, distance)
        return distance.sum() / real.any((1, 2)).sum().clamp_min(1)

    @property
    def citation(self) -> str:
        """BibTeX entry for the model card."""
        return """
@inproceedings{li2022learning,
    title={Learning Cross-Lingual IR from an English Retriever},
    author={Yulong Li and Martin Franz and Md Arafat Sultan and Bhavani Iyer and Young-Suk Lee and Avirup Sil},
    booktitle={Proceedings of the 2022 Conference of the North American Chapter of the Association for
               Computational Linguistics: Human Language Technologies},
    pages={4428--4436},
    year={2022},
    url={https://arxiv.org/abs/2112.08185}
}
"""


def _match(similarity: Tensor) -> Tensor:
    """Return the matches (B, n, m) bool for similarities that are minus infinity where a side has padding."""
    pairs, n, m = similarity.shape
    matched = torch.zeros_like(similarity, dtype=torch.bool)
    pair = torch.arange(pairs, device=similarity.device)
    for _ in range(min(n, m)):
        best, place = similarity.flatten(1).max(1)
        row, column = place // m, place % m
        # A pair with nothing left finds minus infinity, maybe in a place that is matched already.
        matched[pair, row, column] |= best > -torch.inf
        similarity[pair, row] = -torch.inf
        similarity[pair, :, column] = -torch.inf
    return matched
