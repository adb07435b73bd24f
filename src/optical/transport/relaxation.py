"""What becomes of the marginals: binding, unbalanced, or partial.

Each kind says how the potentials follow from the soft minima of the cost, which is all that sets the problems apart.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Unbalanced:
    r"""Marginals that cost something to miss instead of being binding.

        P = argmin_{P >= 0}  <P, C> + eps KL(P | a b^T) + x KL(P 1 | a) + y KL(P^T 1 | b),

    with KL(p | q) = sum p log(p / q) - p + q (Chizat, Peyré, Schmitzer and Vialard 2018, Scaling Algorithms for
    Unbalanced Optimal Transport Problems, section 4.3). A token without a counterpart on the other side is left
    over: mass is moved where that costs less than about x + y.

    Attributes:
        x: strength of the teacher side's penalty, in units of the cost; None = its marginal is binding.
        y: likewise for the student side.
    """

    x: float | None = 1.0
    y: float | None = 1.0

    def __post_init__(self) -> None:
        for name, strength in (("x", self.x), ("y", self.y)):
            if strength is not None and not 0 < strength < math.inf:
                raise ValueError(
                    f"Unbalanced.{name} is {strength}; expected a positive number, or None for a binding marginal"
                )

    def rows(self, soft_minima: Tensor, eps: float) -> Tensor:
        """Return the teacher side's potentials / eps (B, n) from the soft minima / eps of its rows."""
        return _damped(soft_minima, self.x, eps)

    def columns(self, soft_minima: Tensor, log_b: Tensor, eps: float) -> Tensor:
        """Return the student side's potentials / eps (B, m) from the soft minima / eps of its columns."""
        return _damped(soft_minima, self.y, eps)

    def penalty(self, row_masses: Tensor, a: Tensor, column_masses: Tensor, b: Tensor) -> Tensor:
        """Return x KL(P 1 | a) + y KL(P^T 1 | b), of shape (B,)."""
        penalty = torch.zeros_like(a[:, 0])
        for strength, masses, marginal in ((self.x, row_masses, a), (self.y, column_masses, b)):
            if strength is not None:
                ratio = masses / torch.where(marginal > 0, marginal, 1)
                divergence = torch.xlogy(masses, ratio) - masses + marginal
                penalty = penalty + strength * divergence.sum(1)
        return penalty


@dataclass(frozen=True)
class Partial:
    r"""A given share of the mass is moved, the cheapest to move; the rest costs nothing.

        P = argmin_{P >= 0}  <P, C> + eps KL(P | a b^T)
            subject to       P 1 <= a,   P^T 1 <= b,   1^T P 1 = mass

    (Caffarelli and McCann 2010, Free boundaries in optimal transport; with entropy Benamou, Carlier, Cuturi, Nenna
    and Peyré 2015, Iterative Bregman Projections, section 5). In the dual the potentials are at most 0, and a
    multiplier of the mass is added to those of the student side. That multiplier and the student's potentials are
    maximised together, which takes a sort and converges far sooner than one after the other.

    Attributes:
        mass: share of the mass to move, above 0 and at most 1.
    """

    mass: float

    def __post_init__(self) -> None:
        if not 0 < self.mass <= 1:
            raise ValueError(f"Partial.mass is {self.mass}; expected a number above 0 and at most 1")

    def rows(self, soft_minima: Tensor, eps: float) -> Tensor:
        """Return the teacher side's potentials / eps (B, n) from the soft minima / eps of its rows."""
        return soft_minima.clamp_max(0)

    def columns(self, soft_minima: Tensor, log_b: Tensor, eps: float) -> Tensor:
        """Return the student side's potentials / eps (B, m), the multiplier l of the mass added to them.

        Column j holds min(b_j, exp(l) T_j) with T_j = b_j exp(-soft_minima_j), and l is such that all columns
        together hold ``mass``. If the k columns with the largest T_j / b_j are full,

            exp(l) = (mass - sum of their b_j) / (sum of the other T_j),

        and the first k for which no other column overflows is the right one.
        """
        demand, order = soft_minima.sort(1)
        log_b = log_b.gather(1, order)
        unfilled = (log_b - demand).flip(1).logcumsumexp(1).flip(1)
        filled = log_b.exp().cumsum(1) - log_b.exp()
        room = self.mass - filled
        multiplier = torch.where(room > 0, room.log() - unfilled, math.inf)
        fits = multiplier <= demand
        # Where all mass is to be moved, rounding may leave no k that fits: then every column is full.
        fits[:, -1] = True
        multiplier = multiplier.gather(1, fits.int().argmax(1, keepdim=True))
        return torch.minimum(soft_minima, multiplier)

    def penalty(self, row_masses: Tensor, a: Tensor, column_masses: Tensor, b: Tensor) -> Tensor:
        """Return zeros (B,): nothing is paid for mass that stays."""
        return torch.zeros_like(a[:, 0])


Relaxation = Unbalanced | Partial
BALANCED = Unbalanced(None, None)


def _damped(soft_minima: Tensor, strength: float | None, eps: float) -> Tensor:
    return soft_minima if strength is None else soft_minima * (strength / (strength + eps))
