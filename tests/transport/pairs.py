"""Made-up sentence pairs: students that are noisy, shuffled or repeating copies of their teachers."""

from typing import Any

import numpy as np
import ot
import torch
from torch.nn.functional import normalize

WIDTH = 32


def partly_matched(
    pairs: int, n: int, m: int, *, noise: float = 1.5, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors x (pairs, n, 32) and y (pairs, m, 32), each y a teacher token at random plus noise."""
    generator = torch.Generator().manual_seed(seed)
    x = normalize(torch.randn(pairs, n, WIDTH, generator=generator, dtype=torch.float64), dim=-1)
    choice = torch.rand(pairs, max(n, m), generator=generator).argsort(1)[:, :m] % n
    y = x.gather(1, choice[:, :, None].expand(-1, -1, WIDTH))
    y = y + noise * torch.randn(y.shape, generator=generator, dtype=torch.float64) / WIDTH**0.5
    return x.to(dtype), normalize(y, dim=-1).to(dtype)


def real(*shape: int) -> torch.Tensor:
    """A mask without padding."""
    return torch.ones(shape, dtype=torch.bool)


def first(lengths: list[int], size: int) -> torch.Tensor:
    """A mask (len(lengths), size) with that many real tokens, then padding."""
    return torch.arange(size) < torch.tensor(lengths)[:, None]


def exact_costs(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The unregularised optimum of every pair of uniform marginals, by POT's network simplex."""
    n, m = x.shape[1], y.shape[1]
    costs: Any = (1 - x.double() @ y.double().mT).numpy()
    uniform = np.full(n, 1 / n), np.full(m, 1 / m)
    return torch.tensor([ot.emd2(*uniform, cost) for cost in costs], dtype=torch.float64)


def textbook_plan(
    x: torch.Tensor,
    y: torch.Tensor,
    eps: float,
    iterations: int,
    annealing: int,
    a: torch.Tensor | None = None,
    b: torch.Tensor | None = None,
) -> torch.Tensor:
    """Annealed, extrapolated Sinkhorn written naively: both updates in the log domain, in float64, from 0."""
    cost = 1 - x.double() @ y.double().mT
    log_a, log_b = (
        (torch.ones(size) if weights is None else weights).double().log().log_softmax(-1)
        for weights, size in ((a, cost.shape[1:2]), (b, cost.shape[2:]))
    )
    before = g = torch.zeros(len(cost), cost.shape[2], dtype=torch.float64)
    for step in range(1, iterations + 1):
        scaled = cost * min(step, annealing) / (annealing * eps)
        guess = 2 * g - before if 1 < step <= annealing else g
        f = -torch.logsumexp((guess + log_b)[:, None, :] - scaled, 2)
        before, g = g, -torch.logsumexp((f + log_a)[..., None] - scaled, 1)
    return ((f + log_a)[:, :, None] + (g + log_b)[:, None, :] - cost / eps).exp()
