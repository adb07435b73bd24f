"""The solution of a batch of transport problems, by whichever way of iterating suits it."""

from typing import NamedTuple

import torch
from torch import Tensor

from optical.transport.kernel_domain import KernelDomain
from optical.transport.log_domain import LogDomain
from optical.transport.problem import Plan, Problem
from optical.transport.relaxation import BALANCED
from optical.transport.schedule import Schedule


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
    state: KernelDomain | LogDomain = LogDomain(problem, schedule)
    if problem.relaxation == BALANCED:
        window = KernelDomain.window(problem, schedule)
        if window >= 2:
            state = KernelDomain(problem, schedule, window)
    if tolerance is None:
        for iteration in range(1, schedule.iterations + 1):
            state.advance(iteration)
        used = torch.full_like(problem.a[:, 0], schedule.iterations, dtype=torch.int64)
        return _solution(problem, state.plan(), schedule.eps, used)
    return _solve_pair_by_pair(problem, state, schedule, tolerance)


def _solve_pair_by_pair(
    problem: Problem, state: KernelDomain | LogDomain, schedule: Schedule, tolerance: float
) -> Solution:
    pairs = torch.arange(len(problem.cost), device=problem.cost.device)
    used = torch.full_like(pairs, schedule.iterations)
    plans = Plan(*(torch.zeros_like(each) for each in (problem.cost, problem.a, problem.b)))
    for iteration in range(1, schedule.iterations + 1):
        state.advance(iteration)
        if iteration == schedule.iterations:
            done = torch.ones_like(pairs, dtype=torch.bool)
        elif schedule.may_stop_after(iteration):
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
