"""Sinkhorn's iterations on an absorbed kernel: hardly an exponential, for balanced problems at a gentle schedule."""

from collections.abc import Callable

import torch
from torch import Tensor

from optical.transport.problem import Problem
from optical.transport.schedule import Schedule

# Powers of e. A new kernel has no entry below the first, which counts for nothing, and serves until the schedule alone
# may have made its entries smaller by the second: together they stay clear of subnormal numbers, which are ten times
# slower.
_FLOOR = 25
_DRIFT = 60
# Sums beyond this power of e are as good as infinite.
_BOUND = 1e30
# Once eps stands still the kernel does too, and only the scalings drift.
_STILL_WINDOW = 50
# Up to this many entries a pair, sums over pairs that lie side by side are faster than products of matrices.
_SMALL = 24 * 24

Sums = Callable[[Tensor, Tensor], Tensor]


def window(schedule: Schedule, highest_cost: float = 2.0) -> int:
    """Return for how many iterations one kernel serves while eps falls; below 2 it is not worth keeping."""
    return int(_DRIFT / (highest_cost * schedule.step))


def iterate(problem: Problem, schedule: Schedule, tolerance: float | None) -> tuple[Tensor, Tensor]:
    """Do all iterations but the last, as :func:`optical.transport.log_domain.iterate` does.

    With the potentials f, g that were absorbed when the kernel was computed, at eps_s,

        K_ij = exp(f_i + g_j - C_ij / eps_s),   r_i = sum_j K_ij b_j v_j,   c_j = sum_i K_ij a_i / r_i,   v_j = 1 / c_j,

    and the potentials are now f - log r, g - log c. As 1 / eps_t rises in equal steps, the kernel of the next iteration
    is K * exp(-C step): one product. Before single precision could run out of range it is computed anew, with log r
    and log c absorbed (Schmitzer 2019, Stabilized Sparse Scaling Algorithms, section 3.1).
    """
    cost, a, b = problem.cost, problem.a, problem.b
    if not cost.is_cuda and cost[0].numel() <= _SMALL:
        cost, a, b = _side_by_side(cost), _side_by_side(a), _side_by_side(b)
    row_sums, column_sums = _summing(cost)
    lasts = window(schedule)
    pairs = torch.arange(len(cost), device=cost.device)
    start = torch.zeros_like(problem.b)
    used = torch.full_like(pairs, schedule.iterations)
    step = (cost * -schedule.step).exp_()
    kernel = step.clone()
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    r, c, before = torch.ones_like(a), torch.ones_like(b), torch.ones_like(b)
    age = 0
    for iteration in range(1, schedule.iterations):
        guess = b / c
        if schedule.falls_before(iteration):
            kernel.mul_(step)
            guess.mul_(before).div_(c)
        sums = row_sums(kernel, guess)
        if tolerance is not None and schedule.may_stop_after(iteration - 1):
            going = ~((a * (sums / r - 1)).abs().sum(1) <= tolerance)
            if not going.all():
                start[pairs[~going]], used[pairs[~going]] = (g - c.log())[~going], iteration
                pairs, cost, kernel, a, b, f, g, c, sums = (
                    each[going] for each in (pairs, cost, kernel, a, b, f, g, c, sums)
                )
                row_sums, column_sums = _summing(cost)
                if len(pairs) == 0:
                    return start, used
        r, before = sums, c
        c = column_sums(kernel, a / r)
        age += 1
        if age >= lasts:
            f, g = f - r.log(), g - c.log()
            before, r, c = before / c, torch.ones_like(r), torch.ones_like(c)
            torch.sub(g.unsqueeze(1), cost, alpha=1 / schedule.at(iteration), out=kernel)
            kernel.add_(f.unsqueeze(2)).clamp_(-_FLOOR, _FLOOR).exp_()
            age, lasts = 0, lasts if iteration < schedule.annealing else _STILL_WINDOW
    g = g - c.log()
    start[pairs] = g + (before / c).log() if schedule.falls_before(schedule.iterations) else g
    return start, used


def _side_by_side(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape and values, in whose memory the first dimension is the innermost."""
    return tensor.movedim(0, -1).contiguous().movedim(-1, 0)


def _summing(cost: Tensor) -> tuple[Sums, Sums]:
    """Return functions for sum_j K_ij w_j (B, n) and sum_i K_ij w_i (B, m) of kernels laid out as ``cost`` is."""
    # A user may have set products of float32 matrices to be computed in TF32 or bfloat16, too coarse for sums that
    # are to be a marginal.
    if cost.is_contiguous() and not cost.is_cuda and torch.get_float32_matmul_precision() == "highest":

        def multiply(kernel: Tensor, weights: Tensor) -> Tensor:
            return _bounded(torch.bmm(weights.unsqueeze(1), kernel).squeeze(1))

        return lambda kernel, weights: multiply(kernel.mT, weights), multiply

    products = torch.empty_like(cost)

    def sum_up(kernel: Tensor, weights: Tensor, dimension: int) -> Tensor:
        torch.mul(kernel, weights.unsqueeze(3 - dimension), out=products)
        # Without an output to write to, torch would lay out the sums as if pairs did not lie side by side.
        sums = torch.empty_like(products.select(dimension, 0))
        return _bounded(torch.sum(products, dimension, out=sums))

    return lambda kernel, weights: sum_up(kernel, weights, 2), lambda kernel, weights: sum_up(
        kernel, weights, 1
    )


def _bounded(sums: Tensor) -> Tensor:
    return sums.clamp_(1 / _BOUND, _BOUND)
