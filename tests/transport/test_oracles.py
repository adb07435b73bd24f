"""The solver against other people's solvers of the same problem, and against its own promises of accuracy."""

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from optical.transport import solve
from optical.transport.schedule import ScheduleName

from .pairs import exact_costs, first, partly_matched, real, textbook_plan


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


@pytest.mark.parametrize("schedule", ["annealed", "ipot", "constant"])
@pytest.mark.parametrize("eps", [0.05, 0.01, 0.002])
def test_single_precision_follows_the_textbook_iterations_in_double(
    eps: float, schedule: ScheduleName
) -> None:
    x, y = partly_matched(8, 24, 28)
    plan = solve(x, y, real(8, 24), real(8, 28), eps=eps, schedule=schedule).plan
    expected = textbook_plan(x, y, eps, 100, annealing(schedule, 100))
    # Rounding of C (6e-8) is magnified by 1 / eps on its way into the plan.
    torch.testing.assert_close(plan.double(), expected, atol=max(2e-6, 1e-8 / eps), rtol=0)


@pytest.mark.parametrize("schedule", ["annealed", "ipot", "constant"])
@pytest.mark.parametrize("iterations", [1, 2, 5, 150])
def test_few_and_many_iterations_follow_the_textbook_too(iterations: int, schedule: ScheduleName) -> None:
    x, y = partly_matched(4, 9, 7)
    plan = solve(x, y, real(4, 9), real(4, 7), eps=0.02, iterations=iterations, schedule=schedule).plan
    expected = textbook_plan(x, y, 0.02, iterations, annealing(schedule, iterations))
    torch.testing.assert_close(plan.double(), expected, atol=2e-6, rtol=0)


def annealing(schedule: ScheduleName, iterations: int) -> int:
    return {"annealed": max(1, int(0.8 * min(iterations, 100))), "ipot": iterations, "constant": 1}[schedule]


@pytest.mark.parametrize(("eps", "iterations"), [(0.05, 20), (0.01, 50), (0.01, 100)])
@pytest.mark.parametrize(("n", "m"), [(16, 16), (11, 16), (40, 23)])
def test_ipot_is_the_algorithm_of_its_paper(eps: float, iterations: int, n: int, m: int) -> None:
    """Xie et al. 2020, algorithm 1 with L = 1, as printed: proximal strength beta, products, no logarithm."""
    x, y = partly_matched(4, n, m)
    plan = solve(x, y, real(4, n), real(4, m), eps=eps, iterations=iterations, schedule="ipot").plan
    beta = eps * iterations
    for pair, cost in enumerate((1 - x.double() @ y.double().mT).numpy()):
        kernel, gamma, b = np.exp(-cost / beta), np.ones((n, m)), np.full(m, 1 / m)
        for _ in range(iterations):
            product = kernel * gamma
            a = 1 / n / (product @ b)
            b = 1 / m / (product.T @ a)
            gamma = a[:, None] * product * b
        np.testing.assert_allclose(plan[pair], gamma, rtol=0, atol=2e-6)


def test_ipot_and_annealed_sinkhorn_pull_the_student_the_same_way() -> None:
    x, y = partly_matched(16, 32, 32)
    pulls = [
        solve(x, y, real(16, 32), real(16, 32), iterations=50, schedule=schedule).plan.mT @ x
        for schedule in ("ipot", "annealed")
    ]
    assert torch.nn.functional.cosine_similarity(*(pull.flatten() for pull in pulls), dim=0) > 0.99999


@pytest.mark.parametrize("eps", [0.05, 0.02])
def test_value_and_potentials_are_those_of_pot(eps: float) -> None:
    """POT's entropy counts P log P, ours is relative to a b^T: they differ by what the marginals alone decide."""
    x, y = partly_matched(3, 9, 12, dtype=torch.float64)
    a = torch.rand(3, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.1
    found = solve(x, y, real(3, 9), real(3, 12), a=a, eps=eps, iterations=3000)
    for pair, cost in enumerate((1 - x @ y.mT).numpy()):
        rows, columns = (a[pair] / a[pair].sum()).numpy(), np.full(12, 1 / 12)
        plan, log = ot.sinkhorn(
            rows, columns, cost, eps, method="sinkhorn_log", numItermax=9000, stopThr=1e-13, log=True
        )
        relative = (plan * np.log(plan / np.outer(rows, columns))).sum()
        np.testing.assert_allclose(found.value[pair], (plan * cost).sum() + eps * relative, atol=1e-6)
        sums = found.f[pair, :, None] + found.g[pair, None, :]
        expected = eps * (log["log_u"][:, None] - np.log(rows)[:, None] + log["log_v"] - np.log(columns))
        np.testing.assert_allclose(sums, expected, atol=1e-5)


@pytest.mark.parametrize(("pairs", "n", "m"), [(2, 512, 480), (4096, 6, 5), (700, 40, 33)])
def test_sizes_from_end_to_end(pairs: int, n: int, m: int) -> None:
    """Large enough to be solved in parts, whose pairs are gathered by length."""
    x, y = partly_matched(pairs, n, m, seed=4)
    generator = torch.Generator().manual_seed(5)
    x_mask = first(torch.randint(n // 2, n + 1, (pairs,), generator=generator).tolist(), n)
    y_mask = first(torch.randint(m // 2, m + 1, (pairs,), generator=generator).tolist(), m)
    y.requires_grad_()
    found = solve(x, y, x_mask, y_mask, eps=0.02)
    found.cost.sum().backward()
    assert y.grad is not None
    assert found.valid.all()
    for pair in range(0, pairs, max(1, pairs // 3)):
        rows, columns = x_mask[pair], y_mask[pair]
        alone = solve(
            x[pair : pair + 1, rows], y.detach()[pair : pair + 1, columns], real(1, int(rows.sum())),
            real(1, int(columns.sum())), eps=0.02,
        )  # fmt: skip
        torch.testing.assert_close(found.plan[pair][rows][:, columns], alone.plan[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(found.cost[pair], alone.cost[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(y.grad[pair, columns], -(alone.plan[0].mT @ x[pair, rows]))
        assert (y.grad[pair, ~columns] == 0).all()


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
