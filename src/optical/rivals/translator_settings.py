"""Everything that decides what a translator trained from scratch becomes."""

import math
from dataclasses import dataclass

from optical.errors import OpticalError


@dataclass(frozen=True)
class TranslatorSettings:
    """Everything that decides what a translator becomes, apart from the bitext.

    The defaults are for some ten thousand sentence pairs, queries that are short, and minutes on a processor. With the
    word alignment that training starts from, one layer a side and whole words as subwords come further in that time
    than more layers and smaller subwords; with hours, or a GPU, take more layers.

    Attributes:
        steps: optimiser steps.
        seed: draws the weights, orders the batches and divides the bitext.
        held_back: sentence pairs that are not trained on (fewer when there is little bitext).
        batch_size: sentence pairs a step.
        learning_rate: peak rate, reached after a tenth of the steps and falling linearly to 0.
        vocabulary: subwords, the same for both languages.
        width: of the hidden states; the feed-forward layers have four times as many.
        encoder_layers: of the foreign side.
        decoder_layers: of the English side.
        heads: of the attention.
        dropout: share of the hidden states left out; worth it (0.1 to 0.3) where steps make many epochs.
        label_smoothing: weight of the uniform distribution in the target.
        max_tokens: pairs with more subwords on either side are left out.
        bfloat16: compute in bfloat16.
    """

    steps: int
    seed: int
    held_back: int = 500
    batch_size: int = 32
    learning_rate: float = 3e-3
    vocabulary: int = 8000
    width: int = 192
    encoder_layers: int = 1
    decoder_layers: int = 1
    heads: int = 4
    dropout: float = 0.0
    label_smoothing: float = 0.1
    max_tokens: int = 28
    bfloat16: bool = False

    def __post_init__(self) -> None:
        positive = (
            "steps",
            "held_back",
            "batch_size",
            "vocabulary",
            "width",
            "encoder_layers",
            "decoder_layers",
        )
        for name in (*positive, "heads", "max_tokens"):
            if getattr(self, name) < 1:
                raise OpticalError(f"{name} is {getattr(self, name)}. It must be at least 1.")
        if not 0 <= self.learning_rate < math.inf:
            raise OpticalError(f"learning_rate is {self.learning_rate}. It must be a number from 0 up.")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise OpticalError(f"{name} is {getattr(self, name)}. It must be a number from 0 to below 1.")
        if self.width % (2 * self.heads):
            raise OpticalError(
                f"{self.heads} heads cannot share a width of {self.width}. Give a multiple of {2 * self.heads}."
            )
