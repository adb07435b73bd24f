"""The losses of learning to rank, which are those of sentence-transformers."""

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.losses import (
    CachedMultiVectorMultipleNegativesRankingLoss,
    MultiVectorDistillKLDivLoss,
)
from torch import Tensor

from optical.objectives import Objective
from optical.teaching.settings import RankingSettings


class LibraryLoss(Objective):
    """A loss of sentence-transformers where this package expects one of its own.

    Args:
        model: the encoder that is trained.
        loss: of the same encoder.
    """

    def __init__(self, model: MultiVectorEncoder, loss: torch.nn.Module) -> None:
        super().__init__(model)
        self._loss: Any = loss
        # The trainer asks for it, and then lets the loss call backward itself.
        self.uses_gradient_cache = bool(getattr(loss, "uses_gradient_cache", False))

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Return what the loss returns."""
        result: Tensor | dict[str, Tensor] = self._loss(sentence_features, labels)
        return result

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings of the loss for the model card."""
        return dict(self._loss.get_config_dict())

    @property
    def citation(self) -> str:
        """BibTeX entries for the model card."""
        return str(self._loss.citation)


def make_ranking_loss(model: MultiVectorEncoder, settings: RankingSettings) -> LibraryLoss:
    r"""Make the loss that the settings ask for: cross-entropy over the passages of a batch, or scores to follow.

    With a temperature :math:`T`, scores :math:`s` of the encoder and :math:`z` of the cross-encoder over the passages
    of a query the latter is

    .. math:: L = T^2 \operatorname{KL}(\operatorname{softmax}(z) \,\|\, \operatorname{softmax}(s / T))

    The factor is the library's (Hinton et al., 2015, https://arxiv.org/abs/1503.02531). It changes the size of the
    gradient, which the optimiser evens out, and that of the reported loss.
    """
    if settings.objective == "kl":
        return LibraryLoss(
            model,
            MultiVectorDistillKLDivLoss(
                model,
                student_temperature=settings.temperature,
                teacher_temperature=1.0,
                mini_batch_size=settings.chunk,
            ),
        )
    return LibraryLoss(
        model,
        CachedMultiVectorMultipleNegativesRankingLoss(
            model, scale=1 / settings.temperature, mini_batch_size=settings.chunk
        ),
    )
