"""The solver as one operator: under torch.compile and autocast, and whatever the products of matrices are set to."""

from collections.abc import Iterator

import pytest
import torch

from optical.transport import Partial, Relaxation, Unbalanced, solve
from optical.transport.batch import transport
from optical.transport.relaxation import BALANCED

from .pairs import first, partly_matched, real


@pytest.mark.parametrize("keep_plan", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_operator_keeps_the_promises_that_torch_asks_of_one(keep_plan: bool, dtype: torch.dtype) -> None:
    x, y = (side.requires_grad_() for side in partly_matched(3, 4, 5, dtype=dtype))
    masks = first([4, 2, 0], 4), real(3, 5)
    torch.library.opcheck(
        transport,
        (x, y, *masks, None, torch.rand(3, 5), 0.05, 20, 16, None, None, None, None, keep_plan, True, True),
    )


@pytest.mark.parametrize("relaxation", [BALANCED, Unbalanced(0.3, None), Partial(0.7)])
def test_a_compiled_loss_is_the_same_loss(relaxation: Relaxation) -> None:
    x, y = partly_matched(4, 7, 9)
    masks = first([7, 5, 3, 0], 7), real(4, 9)
    weights = torch.rand(4, 7, generator=torch.Generator().manual_seed(0))

    def loss(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.nn.functional.normalize(y, dim=-1)
        found = solve(x, y, *masks, a=weights, relaxation=relaxation, tolerance=1e-3)
        return (found.cost * found.valid).sum(), found.plan

    results = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        student = y.clone().requires_grad_()
        value, plan = function(student)
        value.backward()
        results.append((value.detach(), plan, student.grad))
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_reaches_neither_result_nor_gradient(dtype: torch.dtype) -> None:
    x, y = partly_matched(4, 12, 12)
    results = []
    for enabled in (False, True):
        student = y.clone().requires_grad_()
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            found = solve(x, student, real(4, 12), real(4, 12))
            found.cost.sum().backward()
        results.append((found.cost.detach(), found.plan, student.grad))
    for outside, inside in zip(*results, strict=True):
        assert inside is not None
        assert outside is not None
        assert torch.equal(inside, outside)


@pytest.fixture(params=["high", "medium"])
def coarse_products(request: pytest.FixtureRequest) -> Iterator[None]:
    """Products of float32 matrices in TF32 or bfloat16, where the processor has them."""
    torch.set_float32_matmul_precision(request.param)
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("coarse_products")
@pytest.mark.parametrize("size", [12, 48])
def test_coarse_products_of_matrices_leave_the_marginals_exact(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every processor has coarse products to be seen, so the sums must not be products of matrices at all."""
    monkeypatch.setattr(torch, "bmm", None)
    x, y = partly_matched(4, size, size)
    found = solve(x, y, real(4, size), real(4, size), eps=0.05, iterations=500)
    uniform = torch.full((4, size), 1 / size)
    torch.testing.assert_close(found.plan.sum(1), uniform, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.plan.sum(2), uniform, atol=1e-5, rtol=0)


def test_results_do_not_depend_on_how_the_batch_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = partly_matched(40, 9, 14)
    x_mask, y_mask = (
        first([1 + pair % 9 for pair in range(40)], 9),
        first([14 - pair % 5 for pair in range(40)], 14),
    )
    x[7, 0] = float("nan")
    y.requires_grad_()
    whole = solve(x, y, x_mask, y_mask)
    (whole_gradient,) = torch.autograd.grad(whole.cost.sum(), y)
    monkeypatch.setattr("optical.transport.batch._ENTRIES_CPU", 300)
    parts = solve(x, y, x_mask, y_mask)
    (parts_gradient,) = torch.autograd.grad(parts.cost.sum(), y)
    torch.testing.assert_close(parts_gradient, whole_gradient, atol=1e-6, rtol=0)
    assert parts.valid.sum() == 39
    for name in ("cost", "value", "f", "g", "row_violation", "iterations", "valid", "plan"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), atol=1e-5, rtol=0)
