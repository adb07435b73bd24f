"""Sinkhorn's iterations on an absorbed kernel: hardly an exponential, for balanced problems at a gentle schedule."""

import copy

import torch
from torch import Tensor

from optical.transport.problem import Plan, Problem
from optical.transport.schedule import Schedule

# Powers of e. A new kernel has no entry below the first, and serves until the schedule alone may have made entries
# smaller by the second. Together they stay clear of subnormal numbers, which are ten times slower; and as potentials
# follow the schedule, an entry that was raised to the first cannot grow to count for anything before it is computed
# anew.
_FLOOR = 60
_DRIFT = 25
# Sums beyond this are as good as infinite.
_BOUND = 1e30
_LONGEST_WINDOW = 50
# Up to this many entries a pair, sums over pairs that lie side by side are faster than products of matrices.
_SMALL = 24 * 24


class KernelDomain:
    """The state of the iterations: what :class:`optical.transport.log_domain.LogDomain` computes, in other numbers.

    With the potentials f, g that were absorbed when the kernel was computed, at eps_s,

        K_ij = exp(f_i + g_j - C_ij / eps_s),   r_i = sum_j K_ij b_j / c_j,   c_j = sum_i K_ij a_i / r_i,

    and the potentials are now f - log r, g - log c. As 1 / eps_t rises in equal steps, the kernel of the next iteration
    is K * exp(-C step): one product. Before single precision could run out of range it is computed anew, with log r
    and log c absorbed (Schmitzer 2019, Stabilized Sparse Scaling Algorithms, section 3.1).

    Args:
        problem: balanced.
        schedule: of eps.
        lasts: for how many iterations one kernel serves while eps falls, see :meth:`window`.
    """

    def __init__(self, problem: Problem, schedule: Schedule, lasts: int) -> None:
        self._schedule = schedule
        # Small problems lie in memory as (n, m, B), others as (B, n, m): positions of B, and of n in either.
        self._small = problem.cost[0].numel() <= _SMALL
        self._cost, self._a, self._b = (
            each.movedim(0, -1).contiguous() if self._small else each
            for each in (problem.cost, problem.a, problem.b)
        )
        self._rows, self._columns = (0, 1) if self._small else (1, 2)
        # A user may have set products of float32 matrices to be computed in TF32 or bfloat16, too coarse for sums that
        # are to be a marginal.
        exact = torch.get_float32_matmul_precision() == "highest"
        self._by_matrix_product = exact and not self._small
        self._step = (self._cost * -schedule.step).exp_()
        self._kernel = self._step.clone()
        self._products = None if self._by_matrix_product else torch.empty_like(self._kernel)
        self._f, self._g = torch.zeros_like(self._a), torch.zeros_like(self._b)
        self._r, self._c = torch.ones_like(self._a), torch.ones_like(self._b)
        self._before = self._c
        self._window = self._left = lasts

    @staticmethod
    def window(problem: Problem, schedule: Schedule) -> int:
        """Return for how many iterations a kernel can serve while eps falls; below 2 it is not worth keeping."""
        lowest, highest = (float(each) for each in torch.aminmax(problem.cost))
        return int(min(_LONGEST_WINDOW, _DRIFT / max(highest * schedule.step, -lowest * schedule.step, 1)))

    def advance(self, iteration: int) -> None:
        """Do iteration 1, 2, ..."""
        if self._left == 0:
            self._absorb(iteration - 1)
        self._left -= 1
        guess = self._b / self._c
        if self._schedule.falls_before(iteration):
            self._kernel.mul_(self._step)
            guess.mul_(self._before).div_(self._c)
        self._r = self._row_sums(guess)
        self._before, self._c = self._c, self._column_sums(self._a / self._r)

    def violation(self) -> Tensor:
        """Return sum_i |sum_j P_ij - a_i| of every pair, of shape (B,)."""
        off = self._a * (self._row_sums(self._b / self._c) / self._r - 1)
        return off.abs().sum(self._rows)

    def plan(self) -> Plan:
        """Return the plans, whose column sums are exact, and their potentials."""
        plan = self._kernel * (self._a / self._r).unsqueeze(self._columns)
        plan.mul_((self._b / self._c).unsqueeze(self._rows))
        return Plan(
            *(
                each.movedim(-1, 0) if self._small else each
                for each in (plan, self._f - self._r.log(), self._g - self._c.log())
            )
        )

    def take(self, pairs: Tensor) -> "KernelDomain":
        """Return the state of some of the pairs, by number."""
        taken = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(taken, name, value.index_select(-1 if self._small else 0, pairs))
        return taken

    def _absorb(self, iteration: int) -> None:
        """Compute the kernel anew, at the eps of ``iteration``."""
        self._f, self._g = self._f - self._r.log(), self._g - self._c.log()
        self._before = self._before / self._c
        self._r, self._c = torch.ones_like(self._r), torch.ones_like(self._c)
        scale = 1 / self._schedule.at(iteration)
        torch.sub(self._g.unsqueeze(self._rows), self._cost, alpha=scale, out=self._kernel)
        self._kernel.add_(self._f.unsqueeze(self._columns)).clamp_(-_FLOOR, _FLOOR).exp_()
        if iteration >= self._schedule.annealing:
            # Once eps stands still, so does the kernel, and the potentials come to rest.
            self._window = min(_LONGEST_WINDOW, 2 * self._window)
        self._left = self._window

    def _row_sums(self, weights: Tensor) -> Tensor:
        if self._by_matrix_product:
            sums = torch.bmm(weights.unsqueeze(1), self._kernel.mT).squeeze(1)
        else:
            products = torch.mul(self._kernel, weights.unsqueeze(self._rows), out=self._products)
            sums = products.sum(self._columns)
        return sums.clamp_(1 / _BOUND, _BOUND)

    def _column_sums(self, weights: Tensor) -> Tensor:
        if self._by_matrix_product:
            sums = torch.bmm(weights.unsqueeze(1), self._kernel).squeeze(1)
        else:
            products = torch.mul(self._kernel, weights.unsqueeze(self._columns), out=self._products)
            sums = products.sum(self._rows)
        return sums.clamp_(1 / _BOUND, _BOUND)
