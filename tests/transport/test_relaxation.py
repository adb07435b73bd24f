"""Unbalanced and partial transport against POT's solvers, a linear program, and their own constraints."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.transport import Partial, Unbalanced, solve

from .pairs import first, partly_matched, real


def weights(pairs: int, size: int, seed: int) -> torch.Tensor:
    return torch.rand(pairs, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1


@pytest.mark.parametrize("eps", [0.1, 0.02])
@pytest.mark.parametrize(("x_penalty", "y_penalty"), [(1.0, 1.0), (0.2, 0.7), (0.05, 3.0)])
def test_unbalanced_plan_and_value_are_those_of_pot(eps: float, x_penalty: float, y_penalty: float) -> None:
    x, y = partly_matched(4, 9, 12, dtype=torch.float64)
    a, b = weights(4, 9, 1), weights(4, 12, 2)
    relaxation = Unbalanced(x_penalty, y_penalty)
    found = solve(x, y, real(4, 9), real(4, 12), a=a, b=b, eps=eps, iterations=500, relaxation=relaxation)
    a, b = a / a.sum(1, keepdim=True), b / b.sum(1, keepdim=True)
    for pair, cost in enumerate((1 - x @ y.mT).numpy()):
        sides = a[pair].numpy(), b[pair].numpy()
        plan = ot.unbalanced.sinkhorn_unbalanced(
            *sides, cost, eps, (x_penalty, y_penalty), method="sinkhorn", reg_type="kl", numItermax=20000,
            stopThr=1e-14,
        )  # fmt: skip
        np.testing.assert_allclose(found.plan[pair], plan, atol=1e-8)
        value = (plan * cost).sum() + eps * divergence(plan, np.outer(*sides))
        value += x_penalty * divergence(plan.sum(1), sides[0]) + y_penalty * divergence(plan.sum(0), sides[1])
        np.testing.assert_allclose(found.value[pair], value, atol=1e-8)
        np.testing.assert_allclose(found.cost[pair], (plan * cost).sum(), atol=1e-8)
    assert found.row_violation.max() < 1e-8


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(p / q) - p + q).sum())


def test_at_a_small_eps_unbalanced_transport_is_that_without_entropy() -> None:
    x, y = partly_matched(8, 12, 15)
    found = solve(x, y, real(8, 12), real(8, 15), eps=0.002, iterations=200, relaxation=Unbalanced(0.3, 0.3))
    for pair, cost in enumerate((1 - x @ y.mT).double().numpy()):
        sides = np.full(12, 1 / 12), np.full(15, 1 / 15)
        plan = ot.unbalanced.mm_unbalanced(
            *sides, cost, (0.3, 0.3), div="kl", numItermax=20000, stopThr=1e-12
        )
        value = (plan * cost).sum() + 0.3 * sum(
            divergence(masses, side) for masses, side in ((plan.sum(1), sides[0]), (plan.sum(0), sides[1]))
        )
        assert found.value[pair].item() == pytest.approx(value, abs=0.01)
        assert found.plan[pair].sum().item() == pytest.approx(plan.sum(), abs=0.01)


@pytest.mark.parametrize(("relaxation", "side"), [(Unbalanced(None, 0.2), 2), (Unbalanced(0.2, None), 1)])
def test_one_side_may_stay_binding(relaxation: Unbalanced, side: int) -> None:
    x, y = partly_matched(4, 8, 12)
    found = solve(x, y, real(4, 8), real(4, 12), relaxation=relaxation)
    bound, free = found.plan.sum(side), found.plan.sum(3 - side)
    torch.testing.assert_close(bound, torch.full_like(bound, 1 / bound.shape[1]), atol=1e-4, rtol=0)
    assert ((free - 1 / free.shape[1]).abs().sum(1) > 0.05).all()


def test_high_penalties_make_the_marginals_binding() -> None:
    x, y = partly_matched(4, 9, 12)
    balanced = solve(x, y, real(4, 9), real(4, 12), eps=0.05)
    found = solve(x, y, real(4, 9), real(4, 12), eps=0.05, relaxation=Unbalanced(1e5, 1e5))
    torch.testing.assert_close(found.plan, balanced.plan, atol=1e-4, rtol=0)


def test_a_token_without_a_counterpart_is_left_over() -> None:
    """Four tokens have an equal on the other side, the fifth is opposite to all: unbalanced transport drops it."""
    x = torch.eye(5)[None]
    y = x.clone()
    y[0, 4] = -x[0, 0]
    plan = solve(x, y, real(1, 5), real(1, 5), relaxation=Unbalanced(0.2, 0.2)).plan[0]
    assert (plan.diagonal()[:4] > 0.19).all()
    assert plan[4].sum() < 0.02
    assert plan[:, 4].sum() < 0.02
    part = solve(x, y, real(1, 5), real(1, 5), relaxation=Partial(0.8)).plan[0]
    torch.testing.assert_close(part, torch.diag(torch.tensor([0.2, 0.2, 0.2, 0.2, 0.0])), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mass", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("eps", [0.1, 0.05])
def test_the_partial_plan_is_that_of_pot(eps: float, mass: float) -> None:
    x, y = partly_matched(4, 9, 12, dtype=torch.float64)
    a, b = weights(4, 9, 3), weights(4, 12, 4)
    found = solve(x, y, real(4, 9), real(4, 12), a=a, b=b, eps=eps, iterations=500, relaxation=Partial(mass))
    a, b = a / a.sum(1, keepdim=True), b / b.sum(1, keepdim=True)
    for pair, cost in enumerate((1 - x @ y.mT).numpy()):
        sides = a[pair].numpy(), b[pair].numpy()
        # POT's entropy counts P log P; a cost of -eps log(a b^T) more makes it relative to a b^T.
        plan = ot.partial.entropic_partial_wasserstein(
            *sides, cost - eps * np.log(np.outer(*sides)), eps, m=mass, numItermax=20000, stopThr=1e-14
        )
        np.testing.assert_allclose(found.plan[pair], plan, atol=1e-5)


@pytest.mark.parametrize("mass", [0.5, 0.9, 1.0])
@pytest.mark.parametrize(("n", "m"), [(28, 28), (20, 32)])
def test_at_a_small_eps_partial_transport_is_the_linear_program(n: int, m: int, mass: float) -> None:
    x, y = partly_matched(8, n, m)
    found = solve(x, y, real(8, n), real(8, m), eps=0.005, relaxation=Partial(mass))
    for pair, cost in enumerate((1 - x @ y.mT).double().numpy()):
        exact = ot.partial.partial_wasserstein2(
            np.full(n, 1 / n), np.full(m, 1 / m), cost, m=mass * (1 - 1e-9)
        )
        assert found.cost[pair].item() == pytest.approx(exact, abs=0.002)


lengths = st.integers(1, 12)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.tuples(lengths, lengths), min_size=1, max_size=4),
    mass=st.floats(0.01, 1.0),
    eps=st.sampled_from([0.005, 0.02, 0.2]),
    seed=st.integers(0, 2**31),
    zeros=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_partial_plans_keep_their_bounds_and_carry_their_mass(
    sizes: list[tuple[int, int]], mass: float, eps: float, seed: int, zeros: bool, dtype: torch.dtype
) -> None:
    n, m = max(size[0] for size in sizes), max(size[1] for size in sizes) + 2
    x, y = partly_matched(len(sizes), n, m, dtype=dtype, seed=seed)
    x_mask, y_mask = first([size[0] for size in sizes], n), first([size[1] for size in sizes], m)
    b = weights(len(sizes), m, seed).to(dtype)
    if zeros:
        b[:, 1::2] = 0
    found = solve(x, y, x_mask, y_mask, b=b, eps=eps, relaxation=Partial(mass))
    # A plan is the exponential of potentials / eps, which reach 2 / eps and are rounded at that size.
    rounding = 2 / eps * torch.finfo(dtype).eps
    b = torch.where(y_mask, b, 0)
    a, b = x_mask / x_mask.sum(1, keepdim=True), b / b.sum(1, keepdim=True)
    assert (found.plan >= 0).all()
    moved = torch.full((len(sizes),), mass, dtype=dtype)
    torch.testing.assert_close(found.plan.sum((1, 2)), moved, atol=0, rtol=2 * rounding)
    assert (found.plan.sum(1) <= b + rounding).all()
    excess = (found.plan.sum(2) - a).clamp_min(0).sum(1)
    assert (excess <= found.row_violation + rounding).all()
    assert (found.row_violation < 0.05).all()


def test_moving_all_mass_is_balanced_transport() -> None:
    x, y = partly_matched(4, 9, 12)
    balanced = solve(x, y, real(4, 9), real(4, 12))
    partial = solve(x, y, real(4, 9), real(4, 12), relaxation=Partial(1.0))
    torch.testing.assert_close(partial.plan, balanced.plan, atol=2e-4, rtol=0)
    torch.testing.assert_close(partial.value, balanced.value, atol=1e-4, rtol=0)


@pytest.mark.parametrize("relaxation", [Unbalanced(0.5, 0.5), Partial(0.7)])
def test_padding_and_broken_neighbours_change_nothing(relaxation: Unbalanced | Partial) -> None:
    x, y = partly_matched(3, 7, 9)
    alone = solve(x[:1, :5], y[:1, :6], real(1, 5), real(1, 6), relaxation=relaxation)
    x[1, 2] = float("nan")
    found = solve(x, y, first([5, 7, 0], 7), first([6, 9, 9], 9), relaxation=relaxation)
    assert found.valid.tolist() == [True, False, False]
    torch.testing.assert_close(found.plan[0, :5, :6], alone.plan[0], atol=1e-6, rtol=0)
    assert found.plan.sum() == pytest.approx(alone.plan.sum().item(), abs=1e-5)
    for tensor in (found.cost, found.value, found.f, found.g, found.row_violation):
        assert tensor.isfinite().all()
        assert (tensor[1:] == 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unbalanced(0.0), r"Unbalanced\.x is 0\.0; expected a positive number"),
        (lambda: Unbalanced(y=-1.0), r"Unbalanced\.y is -1\.0"),
        (lambda: Unbalanced(y=float("inf")), r"Unbalanced\.y is inf"),
        (lambda: Partial(0.0), r"Partial\.mass is 0\.0; expected a number above 0 and at most 1"),
        (lambda: Partial(1.5), r"Partial\.mass is 1\.5"),
        (lambda: Partial(float("nan")), r"Partial\.mass is nan"),
    ],
)
def test_impossible_relaxations_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make()  # type: ignore[operator]
