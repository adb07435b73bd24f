"""The loss and the figure of learning token vectors one by one."""

from collections.abc import Mapping, Sequence

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.evaluation import BaseEvaluator
from torch import Tensor
from torch.nn.functional import normalize

from optical.distillation.teacher_vectors import TeacherVectors
from optical.errors import OpticalError
from optical.objectives import DistillationLoss, TokenPairs

PRIMARY_METRIC = "token_cosine"


class TokenCosineLoss(DistillationLoss):
    r"""Distance between the vectors of the same token, for two encoders with the same tokenizer.

    .. math:: L = \frac{1}{N} \sum_{p} \sum_{i} \big( 1 - \langle x_{pi}, y_{pi} \rangle \big)

    with the N tokens of the batch; which token belongs to which is known, so nothing has to be aligned.

    Relations:
        - :class:`optical.objectives.OptimalTransportLoss` with the identity for its plan.
    """

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the mean of 1 - cosine over the tokens.

        Raises:
            OpticalError: the two sides do not have the same tokens.
        """
        if pairs.x.shape != pairs.y.shape or not torch.equal(pairs.x_mask, pairs.y_mask):
            raise OpticalError(
                "Student and teacher do not make vectors of the same tokens. Choose a student with the teacher's "
                "tokenizer, or 'small'."
            )
        # Vectors that were computed in bfloat16 are not of unit norm.
        distances = 1 - (normalize(pairs.x.float(), dim=-1) * pairs.y).sum(-1)
        return (distances * pairs.x_mask).sum() / pairs.x_mask.sum()


class TokenEvaluator(BaseEvaluator):
    """Mean cosine with the teacher's vectors (``token_cosine``) on held-back texts; the higher, the better.

    Args:
        texts: held back.
        vectors: the teacher's.

    Raises:
        OpticalError: (when called) the student's vectors are not finite.
    """

    def __init__(
        self, texts: Sequence[str], vectors: Mapping[str, tuple[Tensor, Tensor]] | TeacherVectors
    ) -> None:
        super().__init__()
        self.primary_metric = PRIMARY_METRIC
        self._texts = list(texts)
        self._vectors = normalize(torch.cat([vectors[text][0] for text in texts]).float(), dim=-1)

    def __call__(
        self, model: MultiVectorEncoder, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the figure by name."""
        students = torch.cat([v.float().cpu() for v in model.encode_query(self._texts, batch_size=64)])
        if not bool(students.isfinite().all()):
            raise OpticalError(
                "Training diverged: the student's vectors are not finite. Lower the learning rates."
            )
        return {PRIMARY_METRIC: float((normalize(students, dim=-1) * self._vectors).sum(-1).mean())}
