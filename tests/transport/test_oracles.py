"""The solver against other people's solvers of the same problem, and against its own promises of accuracy."""

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from optical.transport import solve

from .pairs import exact_costs, first, partly_matched, real


@pytest.mark.parametrize(("eps", "tolerance"), [(0.01, 0.002), (0.05, 0.02)])
def test_equal_lengths_come_close_to_the_best_assignment(eps: float, tolerance: float) -> None:
    x, y = partly_matched(32, 28, 28)
    found = solve(x, y, real(32, 28), real(32, 28), eps=eps)
    exact = []
    for cost in (1 - x @ y.mT).numpy():
        rows, columns = linear_sum_assignment(cost)
        exact.append(cost[rows, columns].mean())
    gap = found.cost.numpy() - np.array(exact)
    assert 0 <= gap.mean() <= tolerance


def test_a_clear_assignment_is_found() -> None:
    x, y = partly_matched(8, 20, 20, noise=0.3)
    plan = solve(x, y, real(8, 20), real(8, 20)).plan
    for pair, cost in enumerate((1 - x @ y.mT).numpy()):
        assert plan[pair].argmax(1).tolist() == linear_sum_assignment(cost)[1].tolist()
    assert plan.amax(2).min() > 0.99 / 20


@pytest.mark.parametrize(("n", "m"), [(28, 28), (20, 28), (31, 9)])
@pytest.mark.parametrize(("eps", "tolerance"), [(0.01, 0.002), (0.05, 0.02)])
def test_any_lengths_come_close_to_the_network_simplex(n: int, m: int, eps: float, tolerance: float) -> None:
    x, y = partly_matched(32, n, m)
    found = solve(x, y, real(32, n), real(32, m), eps=eps)
    assert abs((found.cost - exact_costs(x, y)).mean()) <= tolerance


def test_weighted_tokens_come_close_to_the_network_simplex() -> None:
    x, y = partly_matched(16, 12, 15)
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(16, 12, generator=generator) + 0.1
    b = torch.rand(16, 15, generator=generator) + 0.1
    found = solve(x, y, real(16, 12), real(16, 15), a=a, b=b)
    masses = (
        (a.double() / a.double().sum(1, keepdim=True)).numpy(),
        (b.double() / b.double().sum(1, keepdim=True)).numpy(),
    )
    exact = [ot.emd2(*sides) for sides in zip(*masses, (1 - x @ y.mT).double().numpy(), strict=True)]
    assert abs(found.cost.double().numpy() - exact).mean() < 0.004


@pytest.mark.parametrize("eps", [0.05, 0.02])
def test_the_plan_is_that_of_pot_sinkhorn(eps: float) -> None:
    x, y = partly_matched(4, 14, 17, dtype=torch.float64)
    plan = solve(x, y, real(4, 14), real(4, 17), eps=eps, iterations=2000).plan
    for pair, cost in enumerate((1 - x @ y.mT).numpy()):
        oracle = ot.sinkhorn([], [], cost, eps, method="sinkhorn_log", numItermax=5000, stopThr=1e-12)
        np.testing.assert_allclose(plan[pair].numpy(), oracle, rtol=0, atol=1e-5)


def test_the_plan_is_that_of_pot_batch() -> None:
    x, y = partly_matched(6, 12, 12, dtype=torch.float64)
    plan = solve(x, y, real(6, 12), real(6, 12), eps=0.05, iterations=1000).plan
    oracle = ot.batch.solve_batch(1 - x @ y.mT, reg=0.05, max_iter=5000, tol=1e-12).plan
    torch.testing.assert_close(plan, oracle, atol=2e-5, rtol=0)


@pytest.mark.parametrize("eps", [0.05, 0.01, 0.002])
def test_single_precision_follows_the_textbook_iterations_in_double(eps: float) -> None:
    x, y = partly_matched(8, 24, 28)
    plan = solve(x, y, real(8, 24), real(8, 28), eps=eps).plan
    torch.testing.assert_close(plan.double(), textbook_plan(x, y, eps, 100), atol=2e-6, rtol=0)


def textbook_plan(x: torch.Tensor, y: torch.Tensor, eps: float, iterations: int) -> torch.Tensor:
    """Annealed Sinkhorn written naively: both updates in the log domain, in float64, from zero potentials."""
    cost = 1 - x.double() @ y.double().mT
    n, m = cost.shape[1:]
    g = torch.zeros(len(cost), 1, m, dtype=torch.float64)
    f = torch.zeros(len(cost), n, 1, dtype=torch.float64)
    for step in range(1, iterations + 1):
        eps_t = eps * max(1, 0.8 * iterations / step)
        f = -eps_t * (torch.logsumexp((g - cost) / eps_t, 2, keepdim=True) + np.log(n))
        g = -eps_t * (torch.logsumexp((f - cost) / eps_t, 1, keepdim=True) + np.log(m))
    return ((f + g - cost) / eps).exp()


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_few_iterations_follow_the_textbook_too(iterations: int) -> None:
    x, y = partly_matched(4, 9, 7)
    plan = solve(x, y, real(4, 9), real(4, 7), eps=0.02, iterations=iterations).plan
    torch.testing.assert_close(plan.double(), textbook_plan(x, y, 0.02, iterations), atol=2e-6, rtol=0)


@pytest.mark.parametrize("eps", [0.5, 0.05, 0.01, 0.002])
@pytest.mark.parametrize(("n", "m"), [(28, 28), (12, 28), (28, 12)])
def test_the_student_side_marginal_is_exact(n: int, m: int, eps: float) -> None:
    x, y = partly_matched(16, n, m)
    plan = solve(x, y, real(16, n), real(16, m), eps=eps).plan
    assert (plan >= 0).all()
    torch.testing.assert_close(plan.sum(1), torch.full((16, m), 1 / m), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("eps", "most"), [(0.05, 1e-3), (0.01, 1e-2)])
def test_the_teacher_side_marginal_is_close_after_a_hundred_iterations(eps: float, most: float) -> None:
    x, y = partly_matched(64, 28, 32)
    mask = first([28, 20, 12, 5] * 16, 28)
    found = solve(x, y, mask, real(64, 32), eps=eps)
    assert found.row_violation.mean() <= most
    uniform = mask / mask.sum(1, keepdim=True)
    torch.testing.assert_close(found.row_violation, (found.plan.sum(2) - uniform).abs().sum(1))
