"""Sinkhorn's iterations in the log domain: for every problem, at every eps."""

import torch
from torch import Tensor

from optical.transport.problem import Plan, Problem
from optical.transport.schedule import Schedule


class LogDomain:
    """The state of the iterations: potentials f and g.

    Iteration t updates f, then g, at eps_t. Before it, while eps falls, g is extrapolated linearly,

        g <- g_{t-1} + (g_{t-1} - g_{t-2}),   g_0 = 0,

    because potentials / eps grow in proportion to 1 / eps. With eps_t = eps T / t this is IPOT with one inner step
    (Xie, Wang, Wang and Zha 2020, algorithm 1, there written as a product with the plan of the step before).
    """

    def __init__(self, problem: Problem, schedule: Schedule) -> None:
        self._problem, self._schedule = problem, schedule
        self._f = torch.zeros_like(problem.a)
        self._before = self._g = torch.zeros_like(problem.b)

    def advance(self, iteration: int) -> None:
        """Do iteration 1, 2, ..."""
        problem, eps = self._problem, self._schedule.at(iteration)
        falls = self._schedule.falls_before(iteration)
        guess = 2 * self._g - self._before if falls else self._g
        self._f = problem.relaxation.rows(problem.row_minima(guess, eps), eps)
        minima = problem.column_minima(self._f, eps)
        self._before, self._g = self._g, problem.relaxation.columns(minima, problem.b.log(), eps)

    def violation(self) -> Tensor:
        """Return by how much, in all, the next iteration would change the row sums, of shape (B,)."""
        minima = self._problem.row_minima(self._g, self._schedule.eps)
        row_masses = self._problem.a * (self._f - minima).exp()
        return (row_masses - self._problem.settled_row_masses(minima, self._schedule.eps)).abs().sum(1)

    def plan(self) -> Plan:
        """Return the plans at the final eps, and their potentials.

        A plan is what the column update says of each column's mass, divided over the rows by a softmax: so column
        sums are exact whatever rounding did to the potentials.
        """
        problem, eps = self._problem, self._schedule.eps
        plan = (self._f + problem.a.log()).unsqueeze(2) - problem.cost / eps
        highest = plan.amax(1, keepdim=True)
        total = plan.sub_(highest).exp_().sum(1)
        minima = -(highest.squeeze(1) + total.log())
        g = problem.relaxation.columns(minima, problem.b.log(), eps)
        plan.mul_((problem.b * (g - minima).exp() / total).unsqueeze(1))
        return Plan(plan, self._f, g)

    def take(self, pairs: Tensor) -> "LogDomain":
        """Return the state of some of the pairs, by number."""
        taken = LogDomain(self._problem.take(pairs), self._schedule)
        taken._f, taken._g, taken._before = self._f[pairs], self._g[pairs], self._before[pairs]
        return taken
