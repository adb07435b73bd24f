"""What every training loss shares: the student, and what the loss learns besides it."""

from abc import ABC
from collections.abc import Mapping
from typing import Any

from sentence_transformers import MultiVectorEncoder
from torch import Tensor, nn
from torch.nn.functional import normalize


class Objective(nn.Module, ABC):
    """Base of the losses that train the query side of a student.

    Args:
        model: the student; features go in with ``task="query"``.
    """

    def __init__(self, model: MultiVectorEncoder) -> None:
        super().__init__()
        self.model = model

    def student_vectors(self, features: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the student's token vectors of a batch, (B, m, d) float32 of unit norm, and their mask (B, m) bool."""
        vectors, mask = self.search_vectors(features)
        # Tokens may have weights, and mixed precision rounds the unit norm away; a cost of 1 - x.y needs it.
        return normalize(vectors, dim=-1), mask

    def search_vectors(self, features: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the same vectors as a search has them: where tokens have weights, these are their lengths."""
        student = self.model(dict(features), task="query")
        return student["token_embeddings"].float(), student["attention_mask"].bool()

    def own_parameters(self) -> dict[str, nn.Parameter]:
        """Return the weights that the objective learns besides the student's, by name."""
        return {name: weight for name, weight in self.named_parameters() if _is_own(name)}

    def own_state(self) -> dict[str, Tensor]:
        """Return all that a checkpoint must keep of the objective; the student is kept elsewhere."""
        return {name: value for name, value in self.state_dict().items() if _is_own(name)}

    def load_own_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`own_state` returned."""
        for name, value in self.own_state().items():
            value.copy_(state[name])

    def figures(self) -> dict[str, float]:
        """Return figures, by name, of what the objective has seen and learned so far."""
        return {}

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {}


def _is_own(name: str) -> bool:
    # The terms of a sum hold the student as well.
    return "model" not in name.split(".")
