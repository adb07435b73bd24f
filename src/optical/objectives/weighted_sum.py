"""Several objectives at once."""

from collections.abc import Mapping
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor, nn

from optical.objectives.distillation_loss import DistillationLoss, TokenPairs


class WeightedSumLoss(DistillationLoss):
    r"""Weighted sum of other objectives, which share one pass of the student: :math:`L = \sum_k w_k L_k`.

    Args:
        model: the student.
        terms: name of each term, and its weight and objective; the name appears in the log.
    """

    def __init__(
        self, model: MultiVectorEncoder, terms: Mapping[str, tuple[float, DistillationLoss]]
    ) -> None:
        super().__init__(model)
        self.terms = dict(terms)
        # As modules of this one, they move to a device, train and are saved with it.
        self.objectives = nn.ModuleDict({name: term for name, (_, term) in terms.items()})

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the weighted sum of the terms."""
        return torch.stack([weight * term.compare(pairs) for weight, term in self.terms.values()]).sum()

    def figures(self) -> dict[str, float]:
        """Return the figures of every term, with the name of the term in front."""
        return {
            f"{name}_{figure}": value
            for name, (_, term) in self.terms.items()
            for figure, value in term.figures().items()
        }

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings of every term for the model card."""
        return {
            name: {"weight": weight, "loss": type(term).__name__, **term.get_config_dict()}
            for name, (weight, term) in self.terms.items()
        }

    @property
    def citation(self) -> str:
        """BibTeX entries for the model card."""
        return "".join(str(term.citation) for _, term in self.terms.values())
