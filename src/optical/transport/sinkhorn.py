"""The solution of a batch of transport problems, by whichever way of iterating suits it."""

from typing import NamedTuple

from torch import Tensor

from optical.transport import kernel_domain, log_domain
from optical.transport.problem import Problem
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
    """Iterate and return the plan, with what :class:`optical.transport.Transport` says of it."""
    gentle = problem.relaxation == BALANCED and kernel_domain.window(schedule) >= 2
    iterate = kernel_domain.iterate if gentle else log_domain.iterate
    g, used = iterate(problem, schedule, tolerance)
    return _last_iteration(problem, g, schedule.eps, used)


def _last_iteration(problem: Problem, g: Tensor, eps: float, used: Tensor) -> Solution:
    """Update f and g once more and compute the plan.

    The plan is what the column update says of each column's mass, divided over the rows by a softmax: so column sums
    are exact whatever rounding did to the potentials.
    """
    a, b, cost = problem.a, problem.b, problem.cost
    f = problem.relaxation.rows(problem.row_minima(g, eps), eps)
    plan = (f + a.log()).unsqueeze(2) - cost / eps
    highest = plan.amax(1, keepdim=True)
    total = plan.sub_(highest).exp_().sum(1)
    minima = -(highest.squeeze(1) + total.log())
    g = problem.relaxation.columns(minima, b.log(), eps)
    column_masses = b * (g - minima).exp()
    plan.mul_((column_masses / total).unsqueeze(1))
    row_masses = plan.sum(2)
    transport = (plan * cost).sum((1, 2))
    # KL(P | a b^T) = sum_ij P_ij (f_i + g_j - C_ij / eps) - P_ij + a_i b_j
    divergence = (row_masses * f).sum(1) + (column_masses * g).sum(1) - transport / eps
    divergence = divergence - column_masses.sum(1) + 1
    penalty = problem.relaxation.penalty(row_masses, a, column_masses, b)
    binding = problem.relaxation == BALANCED
    wanted = a if binding else problem.wanted_row_masses(problem.row_minima(g, eps), eps)
    return Solution(
        plan=plan,
        cost=transport,
        value=transport + eps * divergence + penalty,
        f=f * eps,
        g=g * eps,
        row_violation=(row_masses - wanted).abs().sum(1),
        iterations=used,
    )
