"""Sinkhorn's iterations in the log domain: for every problem, at every eps."""

import torch
from torch import Tensor

from optical.transport.problem import Problem
from optical.transport.schedule import Schedule


def iterate(problem: Problem, schedule: Schedule, tolerance: float | None) -> tuple[Tensor, Tensor]:
    """Do all iterations but the last.

    Iteration t updates f, then g, at eps_t. Before it, while eps falls, g is extrapolated linearly,

        g <- g_{t-1} + (g_{t-1} - g_{t-2}),   g_0 = 0,

    because potentials / eps grow in proportion to 1 / eps. With eps_t = eps T / t this is IPOT with one inner step
    (Xie, Wang, Wang and Zha 2020, algorithm 1, there written as a product with the plan of the step before).

    Args:
        problem: of any kind.
        schedule: of eps.
        tolerance: once eps is final, a pair whose row sums are off by no more than this in all gets no further
            iterations; None = every pair gets all.

    Returns:
        g (B, m) to start the last iteration from, and how many iterations each pair gets (B,), the last included.
    """
    pairs = torch.arange(len(problem.cost), device=problem.cost.device)
    start = torch.zeros_like(problem.b)
    used = torch.full_like(pairs, schedule.iterations)
    f, g = torch.zeros_like(problem.a), torch.zeros_like(problem.b)
    before = g
    for iteration in range(1, schedule.iterations):
        eps = schedule.at(iteration)
        guess = 2 * g - before if schedule.falls_before(iteration) else g
        minima = problem.row_minima(guess, eps)
        if tolerance is not None and schedule.may_stop_after(iteration - 1):
            row_masses = problem.a * (f - minima).exp()
            violation = (row_masses - problem.wanted_row_masses(minima, eps)).abs().sum(1)
            going = ~(violation <= tolerance)
            if not going.all():
                start[pairs[~going]], used[pairs[~going]] = g[~going], iteration
                pairs, problem, minima, g = pairs[going], problem.take(going), minima[going], g[going]
                if len(pairs) == 0:
                    return start, used
        f, before = problem.relaxation.rows(minima, eps), g
        g = problem.relaxation.columns(problem.column_minima(f, eps), problem.b.log(), eps)
    start[pairs] = 2 * g - before if schedule.falls_before(schedule.iterations) else g
    return start, used
