"""The gradient of the cost: through C alone, the plan held constant."""

import torch

from optical.transport import solve

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
