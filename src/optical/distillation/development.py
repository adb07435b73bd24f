"""How the student does on held-back sentence pairs, and whether it is collapsing."""

import logging
from collections.abc import Mapping, Sequence

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.evaluation import BaseEvaluator
from torch import Tensor
from torch.nn.functional import normalize

from optical.distillation.language_probe import language_probe
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.vector_file import pad_vectors
from optical.encoders import maxsim_scores
from optical.errors import OpticalError
from optical.transport import solve

logger = logging.getLogger(__name__)

PRIMARY_METRIC = "teacher_overlap"
_DEPTH = 10
_COLLAPSED = 0.5
_BLURRED = 0.8
_FAR_OFF = 0.1
_REMEDY = "Lower the learning rates or eps, or check that the two sides of the bitext belong together."
_PAIRS_TRANSPORTED = 256


class DevelopmentEvaluator(BaseEvaluator):
    """Figures of a student on held-back pairs; the higher ``teacher_overlap``, the better.

    - ``teacher_overlap``: average overlap, at its beginning, of the student's ranking for a foreign sentence with the
      teacher's ranking for its translation; mean over the pairs. With the first d sentences S of the one and T of the
      other:

      .. math:: \\frac1k \\sum_{d=1}^k \\frac{|S_d \\cap T_d|}{d}, \\quad k = 10

      Ranked are all held-back English sentences and ``others``, by MaxSim with the teacher's vectors of them; k is at
      most half of them, and ties count against the student. Source: Webber, Moffat and Zobel, TOIS 2010,
      https://doi.org/10.1145/1852102.1852106, section 3.
    - ``translation_mrr``: mean reciprocal rank of the translation in the student's ranking. Ties count against the
      student. It sees the first place of the teacher's ranking only.
    - ``transport_cost``: mean transport cost between the two sides, 0 to 2.
    - ``plan_entropy``: mean over student tokens of the entropy of where their mass comes from, in nats. 0: each
      token has one partner; log n: it is spread over the whole sentence. A warning is logged near log n.
    - ``row_violation``: how far the plans are from the teacher-side marginal, 0 to 2. A warning is logged where
      the solver is far from having converged.
    - ``mean_token``: :math:`\\lVert \\frac1N \\sum y \\rVert^2` over all student tokens. 1: all vectors are equal, the
      student has collapsed. A warning is logged once it passes the middle between the teacher's figure and 1.
    - ``language_probe``: how well a linear probe tells the student's tokens from the teacher's, 0.5 to 1. 0.5: they
      cannot be told apart, which says nothing of whether they mean the same.

    Args:
        foreign: held-back foreign sentences.
        english: their translations.
        vectors: the teacher's of every sentence in ``english`` and ``others``.
        others: more English sentences to stand among those to be found.

    Raises:
        OpticalError: (when called) the student's vectors are not finite.
    """

    def __init__(
        self,
        foreign: Sequence[str],
        english: Sequence[str],
        vectors: Mapping[str, tuple[Tensor, Tensor]] | TeacherVectors,
        *,
        others: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.primary_metric = PRIMARY_METRIC
        self._foreign = list(foreign)
        pool = {sentence: place for place, sentence in enumerate(dict.fromkeys([*english, *others]))}
        self._pool = [vectors[sentence][0] for sentence in pool]
        self._places = torch.tensor([pool[sentence] for sentence in english])
        self._vectors = [self._pool[place] for place in self._places]
        self._first_of_teacher: Tensor | None = None
        teacher = _mean_token(self._vectors)
        self._mean_token_limit = teacher + _COLLAPSED * (1 - teacher)
        self._entropy_limit = _BLURRED * float(torch.tensor([len(v) for v in self._vectors]).log().mean())

    def __call__(
        self, model: MultiVectorEncoder, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the figures by name."""
        students = [vectors.float().cpu() for vectors in model.encode_query(self._foreign, batch_size=64)]
        if not all(bool(vectors.isfinite().all()) for vectors in students):
            raise OpticalError(
                "Training diverged: the student's vectors are not finite. Lower the learning rates."
            )
        scores = maxsim_scores(students, self._pool, model.device)
        students = [normalize(vectors) for vectors in students]  # the rankings alone know weights of terms
        figures = {
            PRIMARY_METRIC: float(self._overlaps(scores, model.device).mean()),
            "translation_mrr": float(self._reciprocal_ranks(scores).mean()),
            "mean_token": _mean_token(students),
            **self._transport(students),
            "language_probe": language_probe(self._vectors, students),
        }
        self._watch(figures)
        return figures

    def _reciprocal_ranks(self, scores: Tensor) -> Tensor:
        return 1 / (scores >= scores.gather(1, self._places.unsqueeze(1))).sum(1)

    def _overlaps(self, scores: Tensor, device: torch.device) -> Tensor:
        if self._first_of_teacher is None:
            depth = max(1, min(_DEPTH, len(self._pool) // 2))
            self._first_of_teacher = maxsim_scores(self._vectors, self._pool, device).topk(depth).indices
        own_scores = scores.gather(1, self._first_of_teacher).unbind(1)
        ranks = torch.stack([(scores >= own.unsqueeze(1)).sum(1) for own in own_scores], dim=1)
        overlaps = [(ranks[:, :depth] <= depth).sum(1) / depth for depth in range(1, len(own_scores) + 1)]
        return torch.stack(overlaps).mean(0)

    def _transport(self, students: list[Tensor]) -> dict[str, float]:
        x, x_mask = pad_vectors(self._vectors[:_PAIRS_TRANSPORTED])
        y, y_mask = pad_vectors(students[:_PAIRS_TRANSPORTED])
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
                "%s",
                figures["mean_token"],
                self._mean_token_limit,
                _REMEDY,
            )
        if figures["plan_entropy"] > self._entropy_limit:
            logger.warning(
                "The transport plans are blurred: their entropy is %.2f (warning from %.2f). %s",
                figures["plan_entropy"],
                self._entropy_limit,
                _REMEDY,
            )
        if figures["row_violation"] > _FAR_OFF:
            logger.warning(
                "The transport plans have not converged: row violation %.2f (warning from %.2f). Raise eps.",
                figures["row_violation"],
                _FAR_OFF,
            )


def _mean_token(vectors: Sequence[Tensor]) -> float:
    return float(torch.cat(list(vectors)).mean(0).square().sum())
