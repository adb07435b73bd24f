"""The gradient of the cost: through C alone, the plan held constant."""

import math

import pytest
import torch

from optical.transport import Partial, Relaxation, Unbalanced, solve
from optical.transport.batch import transport
from optical.transport.relaxation import BALANCED

from .pairs import partly_matched, real


def test_the_gradient_is_the_plan_applied_to_the_other_side() -> None:
    x, y = partly_matched(4, 9, 12)
    x.requires_grad_()
    y.requires_grad_()
    found = solve(x, y, real(4, 9), real(4, 12))
    weights = torch.tensor([1.0, 2.0, 0.0, -3.0])
    (found.cost @ weights).backward()
    assert not found.plan.requires_grad
    assert not found.row_violation.requires_grad
    torch.testing.assert_close(y.grad, -weights[:, None, None] * (found.plan.mT @ x.detach()))
    torch.testing.assert_close(x.grad, -weights[:, None, None] * (found.plan @ y.detach()))


def test_the_cost_is_the_plan_times_the_distance() -> None:
    x, y = partly_matched(4, 9, 12)
    found = solve(x, y, real(4, 9), real(4, 12))
    torch.testing.assert_close(found.cost, (found.plan * (1 - x @ y.mT)).sum((1, 2)))


def test_finite_differences_confirm_the_envelope_theorem() -> None:
    """The entropic optimum F(C) = <P, C> + eps <P, log P - 1> has dF/dC = P exactly, at any eps."""
    x, y = partly_matched(1, 6, 7, dtype=torch.float64)
    y.requires_grad_()
    eps = 0.05

    def optimum(student: torch.Tensor) -> torch.Tensor:
        found = solve(x, student, real(1, 6), real(1, 7), eps=eps, iterations=500)
        entropy = (found.plan * (found.plan.log() - 1)).sum()
        return found.cost.detach().sum() + eps * entropy

    found = solve(x, y, real(1, 6), real(1, 7), eps=eps, iterations=500)
    (gradient,) = torch.autograd.grad(found.cost.sum(), y)
    step = 1e-5
    for token, axis in [(0, 0), (2, 5), (6, 31), (4, 17)]:
        nudge = torch.zeros_like(y)
        nudge[0, token, axis] = step
        slope = (optimum(y.detach() + nudge) - optimum(y.detach() - nudge)) / (2 * step)
        torch.testing.assert_close(gradient[0, token, axis], slope, atol=1e-7, rtol=1e-6)


def test_at_the_default_eps_the_cost_itself_moves_as_the_gradient_says() -> None:
    x, y = partly_matched(1, 8, 8, noise=0.5, dtype=torch.float64)
    y.requires_grad_()
    (gradient,) = torch.autograd.grad(solve(x, y, real(1, 8), real(1, 8)).cost.sum(), y)
    generator = torch.Generator().manual_seed(3)
    direction = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    step = 1e-6
    ahead, behind = (
        solve(x, y.detach() + sign * step * direction, real(1, 8), real(1, 8)).cost.sum() for sign in (1, -1)
    )
    torch.testing.assert_close(
        (gradient * direction).sum(), (ahead - behind) / (2 * step), atol=1e-3, rtol=1e-2
    )


def test_no_iteration_is_kept_for_the_backward_pass() -> None:
    x, y = partly_matched(2, 5, 5)
    y.requires_grad_()
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        solve(x, y, real(2, 5), real(2, 5), iterations=100)
    assert len(kept) < 10


def test_descending_the_cost_aligns_the_student_with_the_teacher() -> None:
    x, start = partly_matched(2, 6, 6, noise=1.5)
    y = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([y], lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        solve(
            x, torch.nn.functional.normalize(y, dim=-1), real(2, 6), real(2, 6), iterations=50
        ).cost.sum().backward()
        optimiser.step()
    final = solve(x, torch.nn.functional.normalize(y.detach(), dim=-1), real(2, 6), real(2, 6)).cost
    assert (final < 0.02).all()


@pytest.mark.parametrize("relaxation", [BALANCED, Unbalanced(0.3, 0.6), Partial(0.7)])
def test_the_gradient_of_the_value_is_exact(relaxation: Relaxation) -> None:
    x, y = (side[:, :, :3].clone().requires_grad_() for side in partly_matched(2, 4, 5, dtype=torch.float64))

    def value(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return solve(x, y, real(2, 4), real(2, 5), eps=0.2, relaxation=relaxation).value

    assert torch.autograd.gradcheck(value, (x, y), atol=1e-6)


def unrolled(
    x: torch.Tensor, y: torch.Tensor, eps: float, iterations: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cost and value of annealed Sinkhorn with every iteration kept for the backward pass, in float64."""
    cost = 1 - x @ y.mT
    n, m = cost.shape[1:]
    before = g = torch.zeros(len(x), 1, m, dtype=torch.float64)
    for step in range(1, iterations + 1):
        scaled = cost / (eps * max(1, int(0.8 * iterations) / step))
        guess = 2 * g - before if 1 < step <= int(0.8 * iterations) else g
        f = -torch.logsumexp(guess - scaled, 2, keepdim=True) - math.log(n)
        before, g = g, -torch.logsumexp(f - scaled, 1, keepdim=True) - math.log(m)
    plan = (f + g - scaled).exp()
    transport = (plan * cost).sum((1, 2))
    return transport, transport + eps * (plan * (f + g - scaled + math.log(n * m))).sum((1, 2))


@pytest.mark.parametrize(("n", "m"), [(9, 9), (7, 10)])
def test_back_propagation_through_all_iterations_confirms_it(n: int, m: int) -> None:
    """For the value the two agree; for the cost they do as far as the plan is settled, as it is at a small eps."""
    x, y = partly_matched(4, n, m, noise=0.7, dtype=torch.float64)
    y.requires_grad_()
    found = solve(x, y, real(4, n), real(4, m), eps=0.02, iterations=500)
    (envelope,) = torch.autograd.grad(found.cost.sum(), y)
    through_cost, through_value = (
        torch.autograd.grad(unrolled(x, y, 0.02, 500)[which].sum(), y)[0] for which in (0, 1)
    )
    torch.testing.assert_close(envelope, through_value, atol=1e-5, rtol=0)
    assert torch.nn.functional.cosine_similarity(envelope.flatten(), through_cost.flatten(), dim=0) > 0.98


def test_cost_and_value_may_both_be_used() -> None:
    x, y = partly_matched(3, 5, 6)
    y.requires_grad_()
    found = solve(x, y, real(3, 5), real(3, 6))
    (2 * found.cost.sum() + found.value.sum()).backward()
    torch.testing.assert_close(y.grad, -3 * (found.plan.mT @ x))


def test_where_no_gradient_is_wanted_none_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[tuple[int, int]] = []

    def spied(*given: object, **named: object) -> object:
        results = transport(*given, **named)
        prepared.append((results[-2].numel(), results[-1].numel()))
        return results

    monkeypatch.setattr("optical.transport.solver.transport", spied)
    x, y = partly_matched(2, 5, 6)
    y.requires_grad_()
    with torch.no_grad():
        assert not solve(x, y, real(2, 5), real(2, 6)).cost.requires_grad
    assert not solve(x, y.detach(), real(2, 5), real(2, 6)).cost.requires_grad
    assert solve(x, y, real(2, 5), real(2, 6)).cost.requires_grad
    assert prepared == [(0, 0), (0, 0), (0, y.numel())]


def test_second_derivatives_are_refused_rather_than_wrong() -> None:
    x, y = partly_matched(2, 5, 6)
    y.requires_grad_()
    cost = solve(x, y, real(2, 5), real(2, 6)).cost
    with pytest.raises(NotImplementedError, match="transport has no second derivative"):
        torch.autograd.grad(cost.sum(), y, create_graph=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_scaled_loss_does_not_overflow_half_precision(dtype: torch.dtype) -> None:
    """A scale above the largest float16, as a GradScaler may use, times gradients that are small."""
    x, y = partly_matched(2, 12, 12, dtype=dtype)
    y.requires_grad_()
    found = solve(x, y, real(2, 12), real(2, 12))
    (found.cost * 70000).sum().backward()
    assert y.grad is not None
    expected = -70000 * (found.plan.mT @ x.float())
    torch.testing.assert_close(y.grad.float(), expected, atol=0.05, rtol=1e-2)


def test_what_comes_in_for_a_pair_that_is_not_valid_does_not_go_out() -> None:
    x, y = partly_matched(2, 5, 6)
    x[1, 0] = float("nan")
    y.requires_grad_()
    solve(
        x, y, real(2, 5), real(2, 6)
    ).cost.sqrt().sum().backward()  # infinite at the cost of 0 of the second
    assert y.grad is not None
    assert y.grad.isfinite().all()
    assert (y.grad[1] == 0).all()


def test_training_keeps_vectors_and_no_matrix() -> None:
    x, y = partly_matched(8, 64, 64)
    y.requires_grad_()
    kept: list[int] = []

    def count(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        found = solve(x, y, real(8, 64), real(8, 64), keep_plan=False)
    assert sum(kept) <= y.numel() + 8  # and which pairs are valid
    with pytest.raises(ValueError, match="the plan was not kept; call solve with keep_plan=True"):
        _ = found.plan
