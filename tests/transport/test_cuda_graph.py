"""Functions replayed as CUDA graphs. What needs a GPU is skipped without one."""

from collections.abc import Callable

import pytest
import torch

from optical.transport import cuda_graph
from optical.transport.cuda_graph import replayed
from optical.transport.problem import Problem
from optical.transport.relaxation import BALANCED
from optical.transport.schedule import Schedule
from optical.transport.sinkhorn import solve_problem

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA graph needs a GPU")

Function = Callable[..., tuple[torch.Tensor, ...]]


class Counted:
    """A function that counts its calls: a replay is none."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.calls += 1
        return left @ right, left.exp().sum(1)


def test_without_a_gpu_the_function_is_called() -> None:
    function = Counted()
    for calls in (1, 2, 3):
        left, right = torch.randn(3, 4), torch.randn(4, 5)
        product, sums = replayed(function, (left, right))
        assert function.calls == calls
        assert torch.equal(product, left @ right)
        assert torch.equal(sums, left.exp().sum(1))


def on_gpu(rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, 4, device="cuda"), torch.randn(4, 5, device="cuda")


@needs_gpu
def test_from_the_third_call_on_the_tensors_of_the_call_are_worked_on_without_the_function() -> None:
    function = Counted()
    for turn in range(5):
        left, right = on_gpu()
        before = function.calls
        product, sums = replayed(function, (left, right))
        torch.testing.assert_close(product, left @ right)
        torch.testing.assert_close(sums, left.exp().sum(1))
        assert (function.calls > before) == (turn < 2)


@needs_gpu
def test_other_shapes_have_graphs_of_their_own_and_few_are_kept() -> None:
    function = Counted()
    for rows in range(2, 42):
        for _ in range(2):
            before = function.calls
            left, right = on_gpu(rows)
            torch.testing.assert_close(replayed(function, (left, right))[0], left @ right)
            assert function.calls > before
    assert len(cuda_graph._graphs) <= 16


@needs_gpu
def test_tensors_of_any_strides_and_with_gradients_will_do() -> None:
    function = Counted()
    left = torch.randn(4, 3, device="cuda", requires_grad=True)
    right = torch.randn(5, 4, device="cuda").mT
    with torch.no_grad():
        for _ in range(3):
            product, _ = replayed(function, (left.mT, right))
            torch.testing.assert_close(product, left.mT @ right)


@needs_gpu
def test_within_a_capture_the_function_is_called() -> None:
    function = Counted()
    left, right = on_gpu()
    replayed(function, (left, right))
    before = function.calls
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        product, _ = replayed(function, (left, right))
    assert function.calls == before + 1
    left.mul_(2)
    graph.replay()
    torch.testing.assert_close(product, left @ right)


@needs_gpu
@pytest.mark.parametrize("eps", [0.01, 0.0001])
def test_the_solver_can_be_replayed(eps: float) -> None:
    """By both ways of iterating: neither waits for the device if no pair is to stop early."""
    schedule = Schedule.named("annealed", eps, 30)
    for _ in range(4):
        cost = 2 * torch.rand(4, 150, 140)
        a, b = torch.full((4, 150), 1 / 150), torch.full((4, 140), 1 / 140)
        problems = [
            Problem(*(each.to(device) for each in (cost, a, b)), BALANCED) for device in ("cpu", "cuda")
        ]
        wanted, found = (solve_problem(problem, schedule, None) for problem in problems)
        torch.testing.assert_close(found.plan.cpu(), wanted.plan, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.cost.cpu(), wanted.cost, atol=1e-5, rtol=0)
