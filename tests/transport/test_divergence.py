"""Sinkhorn divergence: what it is, and that it has no bias."""

import numpy as np
import ot
import pytest
import torch

from optical.transport import divergence, solve

from .pairs import first, partly_matched, real


@pytest.mark.parametrize("eps", [0.5, 0.1])
def test_it_is_the_formula_with_plans_by_pot(eps: float) -> None:
    x, y = partly_matched(3, 8, 11, dtype=torch.float64)
    found = divergence(x, y, real(3, 8), real(3, 11), eps=eps, iterations=2000)
    for pair in range(3):
        between, within_x, within_y = (
            value_by_pot(one[pair].numpy(), other[pair].numpy(), eps)
            for one, other in ((x, y), (x, x), (y, y))
        )
        assert found[pair].item() == pytest.approx(between - (within_x + within_y) / 2, abs=1e-7)


def value_by_pot(x: np.ndarray, y: np.ndarray, eps: float) -> float:
    cost = 1 - x @ y.T
    plan = ot.sinkhorn([], [], cost, eps, method="sinkhorn_log", numItermax=3000, stopThr=1e-11)
    return float((plan * cost).sum() + eps * (plan * np.log(plan * plan.size)).sum())


@pytest.mark.parametrize("eps", [1.0, 0.1, 0.02])
def test_it_is_zero_for_the_same_tokens_in_any_order_and_positive_otherwise(eps: float) -> None:
    x, y = partly_matched(6, 9, 9, noise=1.0)
    same = divergence(
        x, x[:, torch.randperm(9, generator=torch.Generator().manual_seed(0))], *[real(6, 9)] * 2, eps=eps
    )
    torch.testing.assert_close(same, torch.zeros(6), atol=2e-5, rtol=0)
    assert (divergence(x, y, real(6, 9), real(6, 9), eps=eps) > 0.01).all()


def test_it_is_symmetric() -> None:
    x, y = partly_matched(4, 7, 10)
    a = torch.rand(4, 7, generator=torch.Generator().manual_seed(0)) + 0.1
    one = divergence(x, y, real(4, 7), real(4, 10), a=a, eps=0.1)
    other = divergence(y, x, real(4, 10), real(4, 7), b=a, eps=0.1)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_descending_it_reaches_the_teacher_where_the_cost_would_collapse() -> None:
    """At a large eps the transport cost alone pulls all tokens to the middle; the divergence does not."""
    x, start = partly_matched(1, 5, 5)
    mask = real(1, 5)
    ends = {}
    for name in ("cost", "divergence"):
        y = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([y], lr=0.05)
        for _ in range(150):
            unit = torch.nn.functional.normalize(y, dim=-1)
            loss = (
                solve(x, unit, mask, mask, eps=0.5, iterations=30).cost
                if name == "cost"
                else divergence(x, unit, mask, mask, eps=0.5, iterations=30)
            )
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
        ends[name] = solve(
            x, torch.nn.functional.normalize(y.detach(), dim=-1), mask, mask, eps=0.005
        ).cost.item()
    assert ends["divergence"] < 0.02
    assert ends["cost"] > 0.1


def test_its_gradient_is_that_of_finite_differences() -> None:
    x, y = (side[:, :, :3].clone().requires_grad_() for side in partly_matched(2, 4, 5, dtype=torch.float64))
    assert torch.autograd.gradcheck(
        lambda x, y: divergence(x, y, real(2, 4), real(2, 5), eps=0.2), (x, y), atol=1e-6
    )


def test_padding_changes_nothing_and_hopeless_pairs_have_nothing() -> None:
    x, y = partly_matched(3, 6, 8)
    alone = divergence(x[:1, :4], y[:1, :7], real(1, 4), real(1, 7))
    x[1, 0] = float("nan")
    y.requires_grad_()
    found = divergence(x, y, first([4, 6, 6], 6), first([7, 8, 0], 8))
    torch.testing.assert_close(found[[0, 2]], torch.cat([alone, torch.zeros(1)]), atol=1e-6, rtol=0)
    assert found[1].isnan()
    found.sum().backward()
    assert y.grad is not None
    assert (y.grad[1:] == 0).all()
    assert (y.grad[0, :7] != 0).any()
