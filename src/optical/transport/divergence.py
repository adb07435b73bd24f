"""Sinkhorn divergence: transport cost without the bias of its entropy."""

import torch
from torch import Tensor

from optical.transport.schedule import ScheduleName
from optical.transport.solver import solve


def divergence(
    x: Tensor,
    y: Tensor,
    x_mask: Tensor,
    y_mask: Tensor,
    *,
    a: Tensor | None = None,
    b: Tensor | None = None,
    eps: float = 0.01,
    iterations: int = 100,
    schedule: ScheduleName = "annealed",
) -> Tensor:
    """Return the debiased transport cost of every pair, of shape (B,).

        S(x, y) = V(x, y) - V(x, x) / 2 - V(y, y) / 2,
        V(x, y) = min_P <P, C> + eps KL(P | a b^T)   over the couplings of a and b,   C_ij = 1 - x_i . y_j

    (Feydy, Séjourné, Vialard, Amari, Trouvé and Peyré 2019, Interpolating between Optimal Transport and MMD using
    Sinkhorn Divergences, equation 3). V(x, x) is not 0, which is why descending V pulls tokens together; S is 0 where
    the two sides are the same tokens with the same weights, and positive elsewhere. It is differentiable with respect
    to x and y, all three plans held constant. A pair with NaN or infinity has NaN, one without tokens on a side 0, and
    neither has a gradient.

    Arguments and errors are those of :func:`optical.transport.solve`; three problems are solved.
    """
    between = solve(
        x, y, x_mask, y_mask, a=a, b=b, eps=eps, iterations=iterations, schedule=schedule, keep_plan=False
    )
    within = [
        solve(
            side,
            side,
            mask,
            mask,
            a=weights,
            b=weights,
            eps=eps,
            iterations=iterations,
            schedule=schedule,
            keep_plan=False,
        ).value
        for side, mask, weights in ((x, x_mask, a), (y, y_mask, b))
    ]
    unbiased = between.value - (within[0] + within[1]) / 2
    hopeless = torch.where(x_mask.any(1) & y_mask.any(1), torch.nan, 0.0).to(unbiased.dtype)
    return torch.where(between.valid, unbiased, hopeless)
