"""How the student does on held-back sentence pairs, and whether it is collapsing."""

import logging
from collections.abc import Sequence

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.util import maxsim
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from optical.transport import solve

logger = logging.getLogger(__name__)

PRIMARY_METRIC = "translation_mrr"
_COLLAPSED = 0.5
_PAIRS_TRANSPORTED = 256


class DevelopmentEvaluator(BaseEvaluator):
    """Figures of a student on held-back pairs; the higher ``translation_mrr``, the better.

    - ``translation_mrr``: mean reciprocal rank of the teacher's vectors of the right English sentence among those of
      all held-back ones, ranked by MaxSim with the student's vectors of the foreign sentence. Ties count
      against the student.
    - ``transport_cost``: mean transport cost between the two sides, 0 to 2.
    - ``plan_entropy``: mean over student tokens of the entropy of where their mass comes from, in nats. 0: each
      token has one partner; log n: it is spread over the whole sentence.
    - ``row_violation``: how far the plans are from the teacher-side marginal; large values mean that the solver
      did not converge.
    - ``mean_token``: :math:`\\lVert \\frac1N \\sum y \\rVert^2` over all student tokens. 1: all vectors are equal, the
      student has collapsed. A warning is logged once it passes the middle between the teacher's figure and 1.

    Args:
        foreign: held-back foreign sentences.
        vectors: the teacher's token vectors (n, d) of their English translations.
    """

    def __init__(self, foreign: Sequence[str], vectors: Sequence[Tensor]) -> None:
        super().__init__()
        self.primary_metric = PRIMARY_METRIC
        self._foreign = list(foreign)
        self._vectors = list(vectors)
        teacher = _mean_token(self._vectors)
        self._mean_token_limit = teacher + _COLLAPSED * (1 - teacher)

    def __call__(
        self, model: MultiVectorEncoder, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the figures by name."""
        students = [vectors.float().cpu() for vectors in model.encode_query(self._foreign, batch_size=64)]
        scores = maxsim(students, self._vectors)
        ranks = (scores >= scores.diagonal().unsqueeze(1)).sum(1)
        figures = {
            PRIMARY_METRIC: float((1 / ranks).mean()),
            "mean_token": _mean_token(students),
            **self._transport(students),
        }
        self._watch(figures)
        return figures

    def _transport(self, students: list[Tensor]) -> dict[str, float]:
        x, x_mask = _pad(self._vectors[:_PAIRS_TRANSPORTED])
        y, y_mask = _pad(students[:_PAIRS_TRANSPORTED])
        transport = solve(x, y, x_mask, y_mask)
        # Columns sum to 1 / m: given a student token, where does its mass come from?
        conditional = transport.plan / transport.plan.sum(1, keepdim=True).clamp_min(1e-30)
        entropy = torch.special.entr(conditional).sum(1)
        return {
            "transport_cost": float(transport.cost.mean()),
            "plan_entropy": float(entropy[y_mask].mean()),
            "row_violation": float(transport.row_violation.mean()),
        }

    def _watch(self, figures: dict[str, float]) -> None:
        if figures["mean_token"] > self._mean_token_limit:
            logger.warning(
                "The student is collapsing: |mean token|^2 is %.2f (warning from %.2f; 1 = all tokens are equal). "
                "Lower the learning rates or eps, or check that the two sides of the bitext belong together.",
                figures["mean_token"],
                self._mean_token_limit,
            )


def _mean_token(vectors: Sequence[Tensor]) -> float:
    return float(torch.cat(list(vectors)).mean(0).square().sum())


def _pad(vectors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    mask = pad_sequence([torch.ones(len(v), dtype=torch.bool) for v in vectors], batch_first=True)
    return pad_sequence(list(vectors), batch_first=True), mask
