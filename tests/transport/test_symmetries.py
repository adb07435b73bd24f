"""What must not matter: padding, neighbours in the batch, the order of tokens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.transport import Partial, Relaxation, Unbalanced, solve

from .pairs import WIDTH, first, partly_matched, real

lengths = st.integers(1, 16)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.tuples(lengths, lengths), min_size=1, max_size=6),
    padding=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    eps=st.sampled_from([0.002, 0.01, 0.05, 0.5]),
    seed=st.integers(0, 2**31),
)
def test_a_pair_is_solved_the_same_alone_and_in_any_batch(
    sizes: list[tuple[int, int]], padding: tuple[int, int], eps: float, seed: int
) -> None:
    n = max(size[0] for size in sizes) + padding[0]
    m = max(size[1] for size in sizes) + padding[1]
    x, y = partly_matched(len(sizes), n, m, seed=seed)
    x_mask, y_mask = first([size[0] for size in sizes], n), first([size[1] for size in sizes], m)
    together = solve(x, y, x_mask, y_mask, eps=eps)
    assert (together.plan * ~(x_mask[:, :, None] & y_mask[:, None, :]) == 0).all()
    for pair, (rows, columns) in enumerate(sizes):
        alone = solve(
            x[pair : pair + 1, :rows], y[pair : pair + 1, :columns], real(1, rows), real(1, columns), eps=eps
        )
        # Rounding of C (6e-8) is magnified by 1 / eps on its way into the plan.
        atol = max(1e-6, 2e-8 / eps)
        torch.testing.assert_close(together.plan[pair, :rows, :columns], alone.plan[0], atol=atol, rtol=0)
        torch.testing.assert_close(together.cost[pair], alone.cost[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("filler", [0.0, 1e30, float("nan"), float("inf")])
def test_what_padding_holds_and_how_much_there_is_does_not_matter(filler: float) -> None:
    x, y = partly_matched(3, 6, 8)
    a, b = torch.rand(3, 6) + 0.1, torch.rand(3, 8) + 0.1
    bare = solve(x, y, real(3, 6), real(3, 8), a=a, b=b)
    wide_x = torch.cat([x, torch.full((3, 200, WIDTH), filler)], 1)
    wide_y = torch.cat([torch.full((3, 300, WIDTH), filler), y], 1).requires_grad_()
    found = solve(
        wide_x,
        wide_y,
        torch.cat([real(3, 6), ~real(3, 200)], 1),
        torch.cat([~real(3, 300), real(3, 8)], 1),
        a=torch.cat([a, torch.full((3, 200), filler)], 1),
        b=torch.cat([torch.full((3, 300), filler), b], 1),
    )
    assert found.valid.all()
    torch.testing.assert_close(found.plan[:, :6, 300:], bare.plan, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.plan.sum((1, 2)), torch.ones(3))
    found.cost.sum().backward()
    assert wide_y.grad is not None
    assert (wide_y.grad[:, :300] == 0).all()
    torch.testing.assert_close(wide_y.grad[:, 300:], -(bare.plan.mT @ x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("eps", [0.01, 0.05])
@pytest.mark.parametrize("relaxation", [Unbalanced(None, None), Unbalanced(0.2, 0.5), Partial(0.7)])
def test_swapping_the_sides_transposes_the_plan(eps: float, relaxation: Relaxation) -> None:
    x, y = partly_matched(4, 9, 12)
    a = torch.rand(4, 9, generator=torch.Generator().manual_seed(0)) + 0.1
    swapped_relaxation = (
        Unbalanced(relaxation.y, relaxation.x) if isinstance(relaxation, Unbalanced) else relaxation
    )
    one = solve(x, y, real(4, 9), real(4, 12), a=a, eps=eps, iterations=1000, relaxation=relaxation)
    other = solve(y, x, real(4, 12), real(4, 9), b=a, eps=eps, iterations=1000, relaxation=swapped_relaxation)
    torch.testing.assert_close(other.plan, one.plan.mT, atol=3e-5, rtol=0)
    torch.testing.assert_close(other.value, one.value, atol=1e-5, rtol=0)


def test_a_slow_neighbour_changes_nothing() -> None:
    x, y = partly_matched(2, 20, 28)
    crowd_x, crowd_y = torch.cat([x, x[:, :1].expand(-1, 20, -1)]), torch.cat([y, -y])
    alone = solve(x, y, real(2, 20), real(2, 28))
    crowded = solve(crowd_x, crowd_y, real(4, 20), real(4, 28))
    torch.testing.assert_close(crowded.plan[:2], alone.plan, atol=1e-6, rtol=0)


@settings(max_examples=20, deadline=None)
@given(n=lengths, m=lengths, seed=st.integers(0, 2**31))
def test_shuffling_tokens_shuffles_the_plan(n: int, m: int, seed: int) -> None:
    x, y = partly_matched(2, n, m, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(n, generator=generator), torch.randperm(m, generator=generator)
    plain = solve(x, y, real(2, n), real(2, m))
    shuffled = solve(x[:, rows], y[:, columns], real(2, n), real(2, m))
    # An entry is the exponential of numbers around C / eps = 100, of which single precision keeps 8e-6.
    torch.testing.assert_close(shuffled.plan, plain.plan[:, rows][:, :, columns], atol=1e-6, rtol=3e-5)
    torch.testing.assert_close(shuffled.cost, plain.cost, atol=1e-5, rtol=0)
