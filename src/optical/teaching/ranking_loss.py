"""The losses of learning to rank, which are those of sentence-transformers, and their batches."""

from collections.abc import Iterable, Sequence
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
    """Make the loss that the settings ask for: cross-entropy over the passages of a batch, or scores to follow."""
    if settings.objective == "kl":
        return LibraryLoss(model, MultiVectorDistillKLDivLoss(model))
    return LibraryLoss(
        model,
        CachedMultiVectorMultipleNegativesRankingLoss(
            model, scale=1 / settings.temperature, mini_batch_size=settings.chunk
        ),
    )


class RankingCollator:
    """Turns rows of texts into features: the first column is a query, the others are passages.

    Args:
        encoder: whose tokenizer and prompts they go through.
    """

    valid_label_columns: Sequence[str] = ("label",)

    def __init__(self, encoder: MultiVectorEncoder) -> None:
        self._encoder = encoder

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the features of a batch, their names prefixed with those of the columns."""
        batch: dict[str, Any] = {}
        for column in rows[0]:
            values = [row[column] for row in rows]
            if column == "label":
                batch["label"] = torch.tensor(values)
                continue
            task = "query" if column == "query" else "document"
            features = self._encoder.preprocess(
                values, prompt=self._encoder.prompts.get(task) or None, task=task
            )
            batch.update({f"{column}_{name}": value for name, value in features.items()})
        return batch
