"""A batch of transport problems, and the two updates that solve it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from optical.transport.relaxation import Relaxation


@dataclass(frozen=True)
class Problem:
    """B transport problems without gradients, all in one floating dtype.

    Potentials are given divided by eps, f (B, n) for the rows and g (B, m) for the columns; the plan that belongs to
    them is P_ij = a_i b_j exp(f_i + g_j - C_ij / eps). As a and b stand apart, potentials are finite for tokens of
    weight 0 too.

    Attributes:
        cost: (B, n, m) C, finite everywhere.
        a: (B, n) teacher-side marginal, summing to 1; 0 for padding.
        b: (B, m) student-side marginal, likewise.
        relaxation: what becomes of the marginals.
    """

    cost: Tensor
    a: Tensor
    b: Tensor
    relaxation: Relaxation

    def take(self, pairs: Tensor) -> "Problem":
        """Return some of the problems, by number."""
        return Problem(self.cost[pairs], self.a[pairs], self.b[pairs], self.relaxation)

    def row_minima(self, g: Tensor, eps: float) -> Tensor:
        """Return the soft minima (B, n) of the rows, -log sum_j b_j exp(g_j - C_ij / eps)."""
        return -torch.logsumexp((g + self.b.log()).unsqueeze(1) - self.cost / eps, 2)

    def column_minima(self, f: Tensor, eps: float) -> Tensor:
        """Return the soft minima (B, m) of the columns, -log sum_i a_i exp(f_i - C_ij / eps)."""
        return -torch.logsumexp((f + self.a.log()).unsqueeze(2) - self.cost / eps, 1)

    def settled_row_masses(self, minima: Tensor, eps: float) -> Tensor:
        """Return the row sums (B, n) that the plan has after a row update, from the soft minima of the rows.

        Where the marginal is binding, that is a. A plan has converged when it has them already.
        """
        return self.a * (self.relaxation.rows(minima, eps) - minima).exp()


class Plan(NamedTuple):
    """Plans (B, n, m) and the potentials (B, n), (B, m), divided by eps, that they belong to."""

    plan: Tensor
    f: Tensor
    g: Tensor
