"""Can English and foreign token vectors be told apart?"""

from collections.abc import Sequence

import torch
from torch import Tensor

_RIDGE = 1e-4  # small beside the mean variance of a component, 1 / d


def language_probe(english: Sequence[Tensor], foreign: Sequence[Tensor]) -> float:
    """Return how well a linear probe tells foreign from English tokens: 0.5 = not at all, 1 = always.

    The probe is a ridge regression of the label (-1 or 1) on the token vector and a constant, which has a closed form
    and so is the same every time; either language weighs one half. It is trained on the first, third, fifth ...
    sentence pair and tested on the others; the result is the balanced accuracy there.

    Args:
        english: token vectors (n, d) of each English sentence; two sentences or more.
        foreign: likewise of their translations.
    """
    x, y = _tokens(english[::2]), _tokens(foreign[::2])
    covariance = (x.mT @ x / len(x) + y.mT @ y / len(y)) / 2
    ridge = _RIDGE * torch.eye(x.shape[1], dtype=x.dtype)
    probe = torch.linalg.solve(covariance + ridge, (y.mean(0) - x.mean(0)) / 2)
    right_english = (_tokens(english[1::2]) @ probe <= 0).double().mean()
    right_foreign = (_tokens(foreign[1::2]) @ probe > 0).double().mean()
    return float((right_english + right_foreign) / 2)


def _tokens(sentences: Sequence[Tensor]) -> Tensor:
    vectors = torch.cat(list(sentences)).double()
    return torch.nn.functional.pad(vectors, (0, 1), value=1.0)
