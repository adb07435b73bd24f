"""OPTICAL: the cost of transporting the teacher's tokens onto the student's."""

from typing import Any, Literal, get_args

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.objectives.distillation_loss import DistillationLoss, TokenPairs
from optical.transport import Transport, solve

SpecialTokens = Literal["transport", "match", "ignore"]
Marginals = Literal["uniform", "idf"]


class OptimalTransportLoss(DistillationLoss):
    r"""Optimal-transport distance between the teacher's and the student's tokens of a sentence pair.

    .. math:: L = \frac{1}{B} \sum_{p=1}^{B} \langle P^{(p)}, C^{(p)} \rangle, \qquad
              C^{(p)}_{ij} = 1 - x_{pi}^\top y_{pj}

    where :math:`P^{(p)}` is the entropic optimal plan between marginals over the tokens of the pair
    (:func:`optical.transport.solve`). The plan is held constant in the backward pass (envelope theorem), so the
    gradient reaches the student through the cost alone: each student token is pulled towards the teacher tokens
    that the plan sends to it.

    Args:
        model: the student.
        eps: strength of the entropy, in units of the cost. Large values blur the plan and pull every student
            token to the mean of the sentence.
        iterations: Sinkhorn iterations.
        special_tokens: what becomes of [CLS], [SEP] and query-expansion tokens. "transport": they are tokens
            like all others. "match": the first special token of one side is compared with the first of the other, the
            second with the second, and so on, outside the transport problem, each weighing as much as any
            other token. "ignore": they take no part.
        marginals: "uniform": all tokens of a sentence weigh the same. "idf": each weighs as much as its inverse
            document frequency in the bitext, so that the transport is about the words that carry meaning.

    References:
        - Huang, Yu and Allan: Improving Cross-lingual Information Retrieval on Low-Resource Languages via Optimal
          Transport Distillation, WSDM 2023, https://arxiv.org/abs/2301.12566

    Relations:
        - :class:`MeanPoolLoss` compares the means of the tokens only.
        - :class:`GreedyAlignmentLoss` and :class:`HardMaxLoss` choose the matches one by one, not all together.

    Example:
        ::

            from optical import distill

            encoder = distill("TEACHER", ["en-sw.tsv"], "sw-encoder", objective="optical")
    """

    def __init__(
        self,
        model: MultiVectorEncoder,
        *,
        eps: float = 0.01,
        iterations: int = 50,
        special_tokens: SpecialTokens = "transport",
        marginals: Marginals = "uniform",
    ) -> None:
        super().__init__(model)
        if marginals not in get_args(Marginals):
            raise ValueError(f"marginals is {marginals!r}; expected one of {get_args(Marginals)}")
        if special_tokens not in get_args(SpecialTokens):
            raise ValueError(
                f"special_tokens is {special_tokens!r}; expected one of {get_args(SpecialTokens)}"
            )
        self.eps = eps
        self.iterations = iterations
        self.special_tokens: SpecialTokens = special_tokens
        self.marginals: Marginals = marginals

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the mean transport cost of the batch; pairs where a side has no tokens do not count."""
        x_mask, y_mask = pairs.x_mask, pairs.y_mask
        if self.special_tokens != "transport":
            x_mask, y_mask = x_mask & ~pairs.x_special, y_mask & ~pairs.y_special
        transport = self._solve(pairs, x_mask, y_mask)
        counts = x_mask.any(1) & y_mask.any(1)
        # A student that makes NaN must not look perfect.
        cost = torch.where(counts & ~transport.valid, torch.nan, transport.cost)
        if self.special_tokens == "match":
            distance, matched = _match_special(pairs)
            share = y_mask.sum(1) / (y_mask.sum(1) + matched).clamp_min(1)
            cost = share * cost + (1 - share) * distance
        return torch.where(counts, cost, 0).sum() / counts.sum().clamp_min(1)

    def _solve(self, pairs: TokenPairs, x_mask: Tensor, y_mask: Tensor) -> Transport:
        weighted = self.marginals == "idf"
        if weighted and (pairs.x_weights is None or pairs.y_weights is None):
            raise ValueError(
                "marginals is 'idf', but the features have no weights; give BitextCollator some to attach"
            )
        return solve(
            pairs.x,
            pairs.y,
            x_mask,
            y_mask,
            a=pairs.x_weights if weighted else None,
            b=pairs.y_weights if weighted else None,
            eps=self.eps,
            iterations=self.iterations,
            keep_plan=False,
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {
            "eps": self.eps,
            "iterations": self.iterations,
            "special_tokens": self.special_tokens,
            "marginals": self.marginals,
        }

    @property
    def citation(self) -> str:
        """BibTeX entry for the model card."""
        return """
@inproceedings{huang2023improving,
    title={Improving Cross-lingual Information Retrieval on Low-Resource Languages via Optimal Transport Distillation},
    author={Zhiqi Huang and Puxuan Yu and James Allan},
    booktitle={Proceedings of the Sixteenth ACM International Conference on Web Search and Data Mining},
    year={2023},
    doi={10.1145/3539597.3570468},
    url={https://arxiv.org/abs/2301.12566}
}
"""


def _match_special(pairs: TokenPairs) -> tuple[Tensor, Tensor]:
    """Mean cost (B,) of the k-th special token of one side against the k-th of the other; their number (B,)."""
    x_special, y_special = pairs.x_mask & pairs.x_special, pairs.y_mask & pairs.y_special
    x_rank = torch.where(x_special, x_special.cumsum(1), 0)
    y_rank = torch.where(y_special, y_special.cumsum(1), 0)
    same = (x_rank.unsqueeze(2) == y_rank.unsqueeze(1)) & x_special.unsqueeze(2) & y_special.unsqueeze(1)
    matched = same.sum((1, 2))
    cost = 1 - pairs.x @ pairs.y.mT
    return torch.where(same, cost, 0).sum((1, 2)) / matched.clamp_min(1), matched
