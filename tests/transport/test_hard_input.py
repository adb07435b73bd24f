"""Input at the edge of the problem: degenerate geometry, low precision, weights of zero, broken vectors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.transport import Transport, solve

from .pairs import WIDTH, exact_costs, first, partly_matched, real, textbook_plan


def assert_sound(found: Transport) -> None:
    for tensor in (found.cost, found.plan, found.row_violation):
        assert tensor.isfinite().all()
    assert found.valid.all()
    torch.testing.assert_close(found.plan.sum((1, 2)), torch.ones(len(found.plan), dtype=found.plan.dtype))


def test_one_token_each() -> None:
    x, y = partly_matched(3, 1, 1)
    found = solve(x, y, real(3, 1), real(3, 1))
    torch.testing.assert_close(found.plan, torch.ones(3, 1, 1))
    torch.testing.assert_close(found.cost, 1 - (x * y).sum((1, 2)))


def test_one_token_to_many_spreads_evenly() -> None:
    x, y = partly_matched(2, 1, 7)
    found = solve(x, y, real(2, 1), real(2, 7))
    torch.testing.assert_close(found.plan, torch.full((2, 1, 7), 1 / 7))


def test_identical_tokens_share_evenly() -> None:
    token = partly_matched(1, 1, 1)[0]
    x, y = token.expand(2, 5, WIDTH), token.expand(2, 9, WIDTH)
    found = solve(x, y, real(2, 5), real(2, 9))
    torch.testing.assert_close(found.plan, torch.full((2, 5, 9), 1 / 45))
    torch.testing.assert_close(found.cost, torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("eps", [0.05, 0.002, 1e-4])
@pytest.mark.parametrize("iterations", [1, 100])
def test_antipodal_tokens(eps: float, iterations: int) -> None:
    token = partly_matched(1, 1, 1)[0]
    x = torch.cat([token, -token], 1)
    y = -token.expand(1, 3, WIDTH)
    found = solve(x, y, real(1, 2), real(1, 3), eps=eps, iterations=iterations)
    assert_sound(found)
    torch.testing.assert_close(found.plan.sum(1), torch.full((1, 3), 1 / 3))
    all_apart = solve(token.expand(1, 4, WIDTH), y, real(1, 4), real(1, 3), eps=eps, iterations=iterations)
    torch.testing.assert_close(all_apart.cost, torch.tensor([2.0]))


def test_a_column_that_no_row_wants_keeps_its_mass() -> None:
    """Costs 2 apart at an eps of 0.002 underflow exp(-C / eps); mass must not be lost for that."""
    token = partly_matched(1, 1, 1)[0]
    x = token.expand(1, 4, WIDTH)
    y = torch.cat([token, token, token, -token], 1)
    found = solve(x, y, real(1, 4), real(1, 4), eps=0.002)
    assert_sound(found)
    torch.testing.assert_close(found.plan, torch.full((1, 4, 4), 1 / 16), atol=1e-5, rtol=0)


def test_a_very_small_eps_is_nearly_exact() -> None:
    x, y = partly_matched(16, 28, 28)
    found = solve(x, y, real(16, 28), real(16, 28), eps=0.002)
    assert_sound(found)
    assert found.row_violation.mean() < 0.01
    assert abs(found.cost - exact_costs(x, y)).mean() < 0.001


def test_the_smallest_eps_allowed_is_survived() -> None:
    x, y = partly_matched(4, 9, 11)
    assert_sound(solve(x, y, real(4, 9), real(4, 11), eps=torch.finfo(torch.float32).eps))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_solved_in_single(dtype: torch.dtype) -> None:
    x, y = partly_matched(8, 12, 12, dtype=dtype)
    y.requires_grad_()
    found = solve(x, y, real(8, 12), real(8, 12))
    wide = solve(x.float(), y.detach().float(), real(8, 12), real(8, 12))
    assert found.cost.dtype == found.plan.dtype == torch.float32
    assert torch.equal(found.plan, wide.plan)
    found.cost.sum().backward()
    assert y.grad is not None
    assert y.grad.dtype == dtype
    torch.testing.assert_close(y.grad.float(), -(found.plan.mT @ x.float()), atol=1e-3, rtol=1e-2)


def test_double_precision_stays_double() -> None:
    x, y = partly_matched(2, 4, 5, dtype=torch.float64)
    found = solve(x, y, real(2, 4), real(2, 5))
    assert found.cost.dtype == found.plan.dtype == found.row_violation.dtype == torch.float64


def test_autocast_changes_nothing() -> None:
    x, y = partly_matched(4, 12, 12)
    outside = solve(x, y, real(4, 12), real(4, 12))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = solve(x, y, real(4, 12), real(4, 12))
    assert torch.equal(inside.plan, outside.plan)
    assert torch.equal(inside.cost, outside.cost)


def test_tokens_of_zero_weight_are_as_good_as_padding() -> None:
    x, y = partly_matched(4, 10, 12)
    kept_x, kept_y = first([7] * 4, 10), first([9] * 4, 12)
    weighted = solve(x, y, real(4, 10), real(4, 12), a=kept_x.float(), b=kept_y.float())
    masked = solve(x, y, kept_x, kept_y)
    assert_sound(weighted)
    torch.testing.assert_close(weighted.plan, masked.plan, atol=1e-6, rtol=0)
    assert (weighted.plan[:, 7:] == 0).all()
    assert (weighted.plan[:, :, 9:] == 0).all()


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (1e-44, torch.float32),
        (1e38, torch.float32),
        (6e4, torch.float16),
        (1e-300, torch.float64),
        (1e300, torch.float64),
    ],
)
def test_only_the_ratios_of_weights_matter(scale: float, dtype: torch.dtype) -> None:
    x, y = partly_matched(2, 6, 6)
    plain = solve(x, y, real(2, 6), real(2, 6))
    weights = torch.full((2, 6), scale, dtype=dtype)
    scaled = solve(x, y, real(2, 6), real(2, 6), a=weights, b=weights)
    torch.testing.assert_close(scaled.plan, plain.plan)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_divided_in_single(dtype: torch.dtype) -> None:
    x, y = partly_matched(1, 6, 6)
    b = torch.arange(1, 7)[None]
    found = solve(x, y, real(1, 6), real(1, 6), b=b.to(dtype))
    torch.testing.assert_close(found.plan.sum(1), b / 21, atol=1e-6, rtol=0)


def test_weights_of_wild_ratios_are_survived() -> None:
    x, y = partly_matched(2, 6, 6)
    a = torch.tensor([1.0, 1e-38, 1e-30, 1.0, 0.0, 1e-5]).expand(2, 6)
    for eps in (0.05, 0.002):
        found = solve(x, y, real(2, 6), real(2, 6), a=a, b=a.flip(1), eps=eps)
        assert_sound(found)
        torch.testing.assert_close(found.plan.sum(1), a.flip(1) / a.sum(1, keepdim=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("side", ["x", "y"])
def test_a_broken_vector_costs_its_own_pair_only(bad: float, side: str) -> None:
    x, y = partly_matched(3, 6, 8)
    sound = solve(x, y, real(3, 6), real(3, 8))
    sides = {"x": x.clone(), "y": y.clone()}
    sides[side][1, 4, 3] = bad
    broken_x, broken_y = (vectors.requires_grad_() for vectors in sides.values())
    found = solve(broken_x, broken_y, real(3, 6), real(3, 8))
    assert found.valid.tolist() == [True, False, True]
    assert found.cost[1] == 0
    assert found.row_violation[1] == 0
    assert (found.plan[1] == 0).all()
    torch.testing.assert_close(found.plan[[0, 2]], sound.plan[[0, 2]], atol=1e-6, rtol=0)
    found.cost.sum().backward()
    assert broken_x.grad is not None
    assert broken_y.grad is not None
    assert (broken_x.grad[1] == 0).all()
    assert (broken_y.grad[1] == 0).all()
    torch.testing.assert_close(broken_y.grad[0], -(sound.plan[0].mT @ x[0]))


def test_a_pair_of_padding_costs_nothing_and_disturbs_nobody() -> None:
    x, y = partly_matched(4, 6, 8)
    x_mask, y_mask = first([6, 0, 6, 0], 6), first([8, 8, 0, 0], 8)
    y.requires_grad_()
    for weights in (None, torch.zeros(4, 6).masked_fill(x_mask, 2.0)):
        y.grad = None
        found = solve(x, y, x_mask, y_mask, a=weights)
        assert found.valid.tolist() == [True, False, False, False]
        assert found.cost[1:].tolist() == [0, 0, 0]
        assert found.row_violation[1:].tolist() == [0, 0, 0]
        assert (found.plan[1:] == 0).all()
        found.cost.sum().backward()
        assert y.grad is not None
        assert y.grad.isfinite().all()
        assert (y.grad[1:] == 0).all()
        assert (y.grad[0] != 0).any()


def test_a_batch_that_is_nothing_but_padding() -> None:
    x, y = partly_matched(2, 3, 4)
    y.requires_grad_()
    found = solve(x, y, ~real(2, 3), ~real(2, 4))
    assert not found.valid.any()
    found.cost.sum().backward()
    assert y.grad is not None
    assert (y.grad == 0).all()


def test_no_pairs_at_all() -> None:
    found = solve(torch.zeros(0, 3, 4), torch.zeros(0, 2, 4), real(0, 3), real(0, 2))
    assert found.cost.shape == (0,)
    assert found.plan.shape == (0, 3, 2)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 30),
    m=st.integers(1, 30),
    geometry=st.sampled_from(["unrelated", "opposite", "one opposite", "clusters"]),
    eps=st.sampled_from([0.05, 0.01, 0.002, 0.0011, 0.0005]),
    powers=st.tuples(st.sampled_from([0, 30]), st.sampled_from([0, 30])),
    seed=st.integers(0, 2**31),
)
def test_the_textbook_is_followed_in_the_hardest_geometry(
    n: int, m: int, geometry: str, eps: float, powers: tuple[int, int], seed: int
) -> None:
    """In few dimensions all costs from 0 to 2 occur, and weights range over 30 decades."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.nn.functional.normalize(torch.randn(4, n, 3, generator=generator), dim=-1)
    y = torch.nn.functional.normalize(torch.randn(4, m, 3, generator=generator), dim=-1)
    if geometry == "clusters":  # of unlike sizes, so that mass must cross between them at the highest cost
        poles = torch.tensor([[1.0, 0, 0], [-1, 0, 0]])
        x, y = (
            poles[torch.randint(0, 2, side.shape[:2], generator=generator)] + side / 50 for side in (x, y)
        )
        x, y = (torch.nn.functional.normalize(side, dim=-1) for side in (x, y))
    elif geometry != "unrelated":
        y = x[:, torch.randint(0, n, (m,), generator=generator)].clone()
        y[:, slice(None) if geometry == "opposite" else slice(1)] *= -1
    a, b = (
        (0.1 + 0.9 * torch.rand(4, size, generator=generator)) ** power
        for size, power in zip((n, m), powers, strict=True)
    )
    found = solve(x, y, real(4, n), real(4, m), a=a, b=b, eps=eps)
    assert_sound(found)
    torch.testing.assert_close(found.plan.sum(1), b / b.sum(1, keepdim=True), atol=1e-6, rtol=0)
    if eps >= 0.002:  # below, iterations that have not converged magnify rounding further
        # Rounding of C (6e-8) is magnified by 1 / eps on its way into the plan.
        rounding = 1e-6 + 6e-8 / eps
        expected = textbook_plan(x, y, eps, 100, 80, a, b)
        torch.testing.assert_close(found.plan.double(), expected, atol=rounding, rtol=0)


@pytest.mark.parametrize(("iterations", "annealing"), [(43, 34), (100, 80)])
@pytest.mark.parametrize(("n", "m"), [(20, 28), (5, 60), (60, 5), (3, 100)])
def test_mass_that_must_cross_between_clusters_crosses(
    n: int, m: int, iterations: int, annealing: int
) -> None:
    """Entries for it are nothing in the first kernels and all that matters in the last."""
    generator = torch.Generator().manual_seed(5)
    pole = torch.nn.functional.normalize(torch.randn(WIDTH, generator=generator), dim=-1)
    sides = []
    for size in (n, m):
        sign = 2 * torch.randint(0, 2, (16, size, 1), generator=generator) - 1
        noise = 0.02 * torch.randn(16, size, WIDTH, generator=generator)
        sides.append(torch.nn.functional.normalize(sign * pole + noise, dim=-1))
    found = solve(*sides, real(16, n), real(16, m), eps=0.002, iterations=iterations)
    expected = textbook_plan(*sides, 0.002, iterations, annealing)
    torch.testing.assert_close(found.plan.double(), expected, atol=3e-5, rtol=0)


@pytest.mark.parametrize("eps", [0.05, 0.01, 0.002])
def test_vectors_that_are_not_of_unit_norm_do_no_harm(eps: float) -> None:
    """What costs range over is looked at, not taken on trust: three times too long made NaN once."""
    x, y = partly_matched(8, 12, 15)
    assert_sound(solve(3 * x, 3 * y, real(8, 12), real(8, 15), eps=eps))
    assert_sound(solve(3 * x, -3 * y, real(8, 12), real(8, 15), eps=eps))
