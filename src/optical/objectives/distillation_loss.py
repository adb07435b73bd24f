"""What all objectives of distillation share: student vectors on one side, the frozen teacher's on the other."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from optical.objectives.objective import Objective


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


class DistillationLoss(Objective):
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
        y, y_mask = self.student_vectors(foreign)
        return TokenPairs(
            x=english["token_embeddings"].detach().float(),
            y=y,
            x_mask=english["attention_mask"].bool(),
            y_mask=y_mask,
            x_special=english["special_mask"].bool(),
            y_special=foreign["special_mask"].bool(),
            x_weights=english.get("weights"),
            y_weights=foreign.get("weights"),
        )
