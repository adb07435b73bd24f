"""What all objectives share: student vectors on one side, the frozen teacher's on the other."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor, nn


@dataclass(frozen=True)
class TokenPairs:
    """The token vectors of B sentence pairs, unit norm, float32.

    Attributes:
        x: (B, n, d) teacher vectors of the English sentences, constant.
        y: (B, m, d) student vectors of the foreign sentences.
        x_mask: (B, n) bool, True = takes part in scoring.
        y_mask: (B, m) bool, likewise.
        x_special: (B, n) bool, True = a special token ([CLS], [SEP]) or a query-expansion token.
        y_special: (B, m) bool, likewise.
        x_weights: (B, n) non-negative weights of the tokens, where the collator gives any.
        y_weights: (B, m) likewise.
    """

    x: Tensor
    y: Tensor
    x_mask: Tensor
    y_mask: Tensor
    x_special: Tensor
    y_special: Tensor
    x_weights: Tensor | None = None
    y_weights: Tensor | None = None


class DistillationLoss(nn.Module, ABC):
    """Base of the objectives: runs the student once and compares its token vectors with the teacher's.

    The teacher is frozen: its vectors arrive as data (see :class:`optical.distillation.BitextCollator`), made
    through its own tokenizer and query path.

    Inputs:
        +--------------------------------------+--------+
        | Inputs                               | Labels |
        +======================================+========+
        | (foreign sentence, English vectors)  | none   |
        +--------------------------------------+--------+

        The features of the foreign sentence are what the student's tokenizer made of it, those of the English
        one ``token_embeddings`` (B, n, d) and ``attention_mask`` (B, n); both with ``special_mask`` and, where
        tokens are weighted, ``weights``.

    Args:
        model: the student; features go in with ``task="query"``.
    """

    def __init__(self, model: MultiVectorEncoder) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the loss of the batch, a scalar."""

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Return the loss of a batch of (foreign, English) features; ``labels`` are not used."""
        pairs = self._token_pairs(list(sentence_features))
        # Mixed precision is for the student: in bfloat16, cosines of 0.999 and 1 are the same.
        with torch.autocast(pairs.y.device.type, enabled=False):
            return self.compare(pairs)

    def _token_pairs(self, sentence_features: list[dict[str, Tensor]]) -> TokenPairs:
        if len(sentence_features) != 2 or "token_embeddings" not in sentence_features[1]:
            raise ValueError(
                f"{type(self).__name__} expects the features of a foreign sentence and the teacher's token vectors of "
                "its English translation, in this order. Use optical.distillation.BitextCollator as data collator."
            )
        foreign, english = sentence_features
        student = self.model(dict(foreign), task="query")
        return TokenPairs(
            x=english["token_embeddings"].detach().float(),
            # Mixed precision rounds the unit norm away; a cost of 1 - x.y needs it.
            y=torch.nn.functional.normalize(student["token_embeddings"].float(), dim=-1),
            x_mask=english["attention_mask"].bool(),
            y_mask=student["attention_mask"].bool(),
            x_special=english["special_mask"].bool(),
            y_special=foreign["special_mask"].bool(),
            x_weights=english.get("weights"),
            y_weights=foreign.get("weights"),
        )

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
