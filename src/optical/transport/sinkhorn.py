"""The solution of a batch of transport problems, by whichever way of iterating suits it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from optical.transport.cuda_graph import replayed
from optical.transport.kernel_domain import KernelDomain
from optical.transport.log_domain import LogDomain
from optical.transport.problem import Plan, Problem
from optical.transport.relaxation import BALANCED, Relaxation
from optical.transport.schedule import Schedule

# On a GPU, operations on more entries than this take longer than their start, and a graph of them much memory.
_MOST_REPLAYED = 2**22


class Solution(NamedTuple):
    """What is known of B problems after the last iteration; potentials in units of the cost."""

    plan: Tensor
    cost: Tensor
    value: Tensor
    f: Tensor
    g: Tensor
    row_violation: Tensor
    iterations: Tensor


def solve_problem(problem: Problem, schedule: Schedule, tolerance: float | None) -> Solution:
    """Iterate and return the plans, with what :class:`optical.transport.Transport` says of them.

    Args:
        problem: of any kind.
        schedule: of eps.
        tolerance: a pair whose row sums are off by no more than this in all, once eps is final, is done; None = every
            pair gets all iterations.
    """
    if tolerance is None:
        function = _fixed_iterations(problem.relaxation, schedule)
        tensors = problem.cost, problem.a, problem.b
        few = problem.cost.numel() <= _MOST_REPLAYED
        return Solution(*(replayed(function, tensors) if few else function(*tensors)))
    return _solve_pair_by_pair(problem, schedule, tolerance)


@functools.lru_cache(maxsize=64)
def _fixed_iterations(relaxation: Relaxation, schedule: Schedule) -> Callable[..., Solution]:
    def solve(cost: Tensor, a: Tensor, b: Tensor) -> Solution:
        problem = Problem(cost, a, b, relaxation)
        state = _state(problem, schedule)
        for iteration in range(1, schedule.iterations + 1):
            state.advance(iteration)
        used = torch.full_like(a[:, 0], schedule.iterations, dtype=torch.int64)
        return _solution(problem, state.plan(), schedule.eps, used)

    return solve


def _state(problem: Problem, schedule: Schedule) -> KernelDomain | LogDomain:
    # Its kernels serve for as long as the costs allow, which on a GPU would have to be waited for.
    if problem.relaxation == BALANCED and problem.cost.device.type == "cpu":
        window = KernelDomain.window(problem, schedule)
        if window >= 2:
            return KernelDomain(problem, schedule, window)
    return LogDomain(problem, schedule)


def _solve_pair_by_pair(problem: Problem, schedule: Schedule, tolerance: float) -> Solution:
    state = _state(problem, schedule)
    pairs = torch.arange(len(problem.cost), device=problem.cost.device)
    used = torch.full_like(pairs, schedule.iterations)
    plans = Plan(*(torch.zeros_like(each) for each in (problem.cost, problem.a, problem.b)))
    for iteration in range(1, schedule.iterations + 1):
        state.advance(iteration)
        if iteration == schedule.iterations:
            done = torch.ones_like(pairs, dtype=torch.bool)
        elif iteration < schedule.iterations - 1 and schedule.may_stop_after(iteration):
            done = state.violation() <= tolerance
        else:
            continue
        if done.any():
            (finished,), (going,) = done.nonzero(as_tuple=True), (~done).nonzero(as_tuple=True)
            used[pairs[finished]] = iteration
            for all_pairs, some in zip(plans, state.take(finished).plan(), strict=True):
                all_pairs[pairs[finished]] = some
            if len(going) == 0:
                break
            state, pairs = state.take(going), pairs[going]
    return _solution(problem, plans, schedule.eps, used)


def _solution(problem: Problem, plans: Plan, eps: float, used: Tensor) -> Solution:
    plan, f, g = plans
    row_masses, column_masses = plan.sum(2), plan.sum(1)
    cost = (plan * problem.cost).sum((1, 2))
    # KL(P | a b^T) = sum_ij P_ij (f_i + g_j - C_ij / eps) - P_ij + a_i b_j
    divergence = (row_masses * f).sum(1) + (column_masses * g).sum(1) - cost / eps - column_masses.sum(1) + 1
    penalty = problem.relaxation.penalty(row_masses, problem.a, column_masses, problem.b)
    settled = problem.a
    if problem.relaxation != BALANCED:
        settled = problem.settled_row_masses(problem.row_minima(g, eps), eps)
    return Solution(
        plan=plan,
        cost=cost,
        value=cost + eps * divergence + penalty,
        f=f * eps,
        g=g * eps,
        row_violation=(row_masses - settled).abs().sum(1),
        iterations=used,
    )
