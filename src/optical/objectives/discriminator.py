"""The opponent in adversarial training: a network that tells student tokens from teacher tokens."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from optical.objectives.distillation_loss import TokenPairs

_NEWEST = 0.05  # share of the newest batch in the running accuracy


class Discriminator(nn.Module):
    """Linear - LeakyReLU(0.2) - Linear on one token vector; the logit is that of its being foreign.

    It looks at each token by itself: the student's are foreign, the teacher's English, padding is neither. Either
    side weighs one half, however many tokens it has, so that a discriminator that knows nothing has an entropy of
    log 2 and an accuracy of 0.5.

    Args:
        dimension: of a token vector.
        hidden: width of the layer in between.
        seed: of the initial weights, which are drawn as PyTorch draws those of any linear layer.

    Attributes:
        accuracy: balanced accuracy, as a running mean over the batches that were watched; starts at 0.5.
    """

    accuracy: Tensor

    def __init__(self, dimension: int, hidden: int, seed: int) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden is {hidden}; expected at least 1")
        self.first, self.last = nn.Linear(dimension, hidden), nn.Linear(hidden, 1)
        # Not from the global generator, whose state depends on what else the process has done.
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.first, self.last):
            bound = 1 / math.sqrt(layer.in_features)
            for weight in layer.parameters():
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        self.register_buffer("accuracy", torch.tensor(0.5))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logit (...) of each token (..., d)."""
        return torch.as_tensor(self.last(leaky_relu(self.first(tokens), 0.2))).squeeze(-1)

    def entropy(self, pairs: TokenPairs, *, watch: bool) -> Tensor:
        """Return the cross-entropy of telling foreign from English tokens, a scalar.

        Args:
            pairs: the tokens.
            watch: let the running accuracy know how they are told apart.
        """
        english, foreign = self(pairs.x), self(pairs.y)
        if watch:
            right = _balanced((english < 0).float(), (foreign > 0).float(), pairs)
            self.accuracy.lerp_(right, _NEWEST)
        return _balanced(softplus(english), softplus(-foreign), pairs)


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the real tokens of all sentences, a scalar."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp_min(1)


def _balanced(english: Tensor, foreign: Tensor, pairs: TokenPairs) -> Tensor:
    return (token_mean(english, pairs.x_mask) + token_mean(foreign, pairs.y_mask)) / 2
