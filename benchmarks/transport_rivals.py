"""The solvers that transport.py compares, each called for a padded batch as its own documentation has it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import ot
import torch
from geomloss import SamplesLoss
from geomloss.ot import solve_batch as geomloss_solve_batch
from ott.geometry.geometry import Geometry
from ott.problems.linear.linear_problem import LinearProblem
from ott.solvers.linear.sinkhorn import Sinkhorn

from optical.transport import solve

ITERATIONS = 100
# C = 1 - x.y of unit vectors runs from 0 to this.
LARGEST_COST = 2.0


@dataclass(frozen=True)
class Pairs:
    """Vectors x and y (B, n, 128), zero on padding, which comes last; masks (B, n), True for real tokens."""

    x: torch.Tensor
    y: torch.Tensor
    x_mask: torch.Tensor
    y_mask: torch.Tensor

    def __len__(self) -> int:
        return len(self.x)

    def first(self, count: int) -> "Pairs":
        return Pairs(self.x[:count], self.y[:count], self.x_mask[:count], self.y_mask[:count])

    @property
    def a(self) -> torch.Tensor:
        """(B, n) the teacher side's marginal: uniform over real tokens, zero on padding."""
        return self.x_mask / self.x_mask.sum(1, keepdim=True)

    @property
    def b(self) -> torch.Tensor:
        return self.y_mask / self.y_mask.sum(1, keepdim=True)

    def real(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The real tokens of every pair in float64."""
        sides = ((self.x, self.x_mask), (self.y, self.y_mask))
        x, y = ([v[m].double().numpy() for v, m in zip(*side, strict=True)] for side in sides)
        return list(zip(x, y, strict=True))


@dataclass(frozen=True)
class Contender:
    """A solver.

    costs(pairs, eps, gradient) gets everything ready and returns the call to be timed, which yields (B,) costs
    with the given kind of gradient to y, one of `gradients` or NO_GRADIENT. plans(pairs, eps) yields (B, n, n).
    """

    settings: str
    costs: Callable[[Pairs, float, str], Callable[[], Any]]
    plans: Callable[[Pairs, float], Any]
    gradients: tuple[str, ...] = ()


NO_GRADIENT = "detach"


def cost_matrix(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 1 - x @ y.mT


def optical(keep_plan: bool) -> Contender:
    def transport(pairs: Pairs, eps: float, **kept: bool) -> Any:
        sides = pairs.x, pairs.y, pairs.x_mask, pairs.y_mask
        return solve(*sides, eps=eps, iterations=ITERATIONS, **kept)

    return Contender(
        f"optical.transport.solve(iterations={ITERATIONS}, keep_plan={keep_plan}), padding by masks",
        lambda pairs, eps, _: lambda: transport(pairs, eps, keep_plan=keep_plan).cost,
        lambda pairs, eps: transport(pairs, eps).plan,
        ("envelope",),
    )


def pot(method: str) -> Contender:
    def transport(pairs: Pairs, a: torch.Tensor, b: torch.Tensor, eps: float, gradient: str) -> Any:
        cost = cost_matrix(pairs.x, pairs.y)
        settings = {"max_iter": ITERATIONS, "tol": 0, "method": method, "grad": gradient}
        return ot.batch.solve_batch(cost, reg=eps, a=a, b=b, **settings)

    def costs(pairs: Pairs, eps: float, gradient: str) -> Callable[[], torch.Tensor]:
        a, b = pairs.a, pairs.b
        return lambda: transport(pairs, a, b, eps, gradient).value_linear

    return Contender(
        f'ot.batch.solve_batch(max_iter={ITERATIONS}, tol=0, method="{method}"), padding of weight 0',
        costs,
        lambda pairs, eps: transport(pairs, pairs.a, pairs.b, eps, NO_GRADIENT).plan,
        ("envelope", "autodiff"),
    )


def pot_exact() -> Contender:
    def problem(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y)), 1 - x @ y.T

    def costs(pairs: Pairs, _eps: float, _gradient: str) -> Callable[[], list[float]]:
        real = pairs.real()
        return lambda: [ot.emd2(*problem(x, y)) for x, y in real]

    def plans(pairs: Pairs, _eps: float) -> np.ndarray:
        padded = np.zeros((len(pairs), pairs.x.shape[1], pairs.y.shape[1]))
        for plan, (x, y) in zip(padded, pairs.real(), strict=True):
            plan[: len(x), : len(y)] = ot.emd(*problem(x, y))
        return padded

    return Contender("ot.emd2 for one pair after the other, float64, real tokens only; exact", costs, plans)


def geomloss_solver() -> Contender:
    def transport(
        pairs: Pairs, a: torch.Tensor, b: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cost = cost_matrix(pairs.x, pairs.y)
        return cost, geomloss_solve_batch(cost, reg=eps, a=a, b=b, max_iter=ITERATIONS).plan.detach()

    def costs(pairs: Pairs, eps: float, _gradient: str) -> Callable[[], torch.Tensor]:
        a, b = pairs.a, pairs.b

        def run() -> torch.Tensor:
            cost, plan = transport(pairs, a, b, eps)
            return (plan * cost).sum((1, 2))

        return run

    return Contender(
        f"geomloss.ot.solve_batch(max_iter={ITERATIONS}), which anneals; padding of weight 0",
        costs,
        lambda pairs, eps: transport(pairs, pairs.a, pairs.b, eps)[1],
        ("envelope",),
    )


def geomloss_samples() -> Contender:
    def loss(eps: float, potentials: bool) -> SamplesLoss:
        # eps = blur ** p. The diameter, from which it anneals, is that of the cost.
        given = {"p": 1, "blur": eps, "diameter": LARGEST_COST, "cost": cost_matrix, "debias": False}
        return SamplesLoss("sinkhorn", backend="tensorized", potentials=potentials, **given)

    def costs(pairs: Pairs, eps: float, _gradient: str) -> Callable[[], torch.Tensor]:
        a, b, value = pairs.a, pairs.b, loss(eps, potentials=False)
        return lambda: value(a, pairs.x, b, pairs.y)

    def plans(pairs: Pairs, eps: float) -> torch.Tensor:
        a, b = pairs.a, pairs.b
        f, g = loss(eps, potentials=True)(a, pairs.x, b, pairs.y)
        density = torch.exp((f[:, :, None] + g[:, None, :] - cost_matrix(pairs.x, pairs.y)) / eps)
        return (a[:, :, None] * b[:, None, :] * density).detach()

    return Contender(
        f'SamplesLoss("sinkhorn", p=1, blur=eps, diameter={LARGEST_COST}, debias=False, backend="tensorized"), '
        "iterations by its default scaling of 0.5; yields the regularised cost; padding of weight 0",
        costs,
        plans,
        ("envelope",),
    )


def ott() -> Contender:
    solver = Sinkhorn(threshold=0.0, min_iterations=ITERATIONS, max_iterations=ITERATIONS, lse_mode=True)

    def compiled(pairs: Pairs, eps: float, part: str) -> Callable[[], jax.Array]:
        def of_one(x: jax.Array, y: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
            geometry = Geometry(cost_matrix=1 - x @ y.T, epsilon=eps)
            return getattr(solver(LinearProblem(geometry, a, b)), part)

        arrays = [jax.numpy.asarray(each.numpy()) for each in (pairs.x, pairs.y, pairs.a, pairs.b)]
        # Compiled here, before anything is timed.
        run = jax.jit(jax.vmap(of_one)).lower(*arrays).compile()
        return lambda: run(*arrays).block_until_ready()

    return Contender(
        f"vmap of Sinkhorn(threshold=0, min_iterations={ITERATIONS}, max_iterations={ITERATIONS}), "
        "log domain, jit without its compilation, padding of weight 0",
        lambda pairs, eps, _: compiled(pairs, eps, "primal_cost"),
        lambda pairs, eps: compiled(pairs, eps, "matrix")(),
    )


OPTICAL, EXACT = "optical", "POT emd"
CONTENDERS = {
    OPTICAL: optical(keep_plan=False),
    "optical with plan": optical(keep_plan=True),
    "POT log_sinkhorn": pot("log_sinkhorn"),
    "POT sinkhorn": pot("sinkhorn"),
    EXACT: pot_exact(),
    "GeomLoss solve_batch": geomloss_solver(),
    "GeomLoss SamplesLoss": geomloss_samples(),
    "OTT-JAX": ott(),
}
