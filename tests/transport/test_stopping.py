"""The stopping rule: each pair by itself, and converged pairs get nothing more."""

import pytest
import torch

from optical.transport import Partial, Relaxation, Unbalanced, solve
from optical.transport.relaxation import BALANCED

from .pairs import partly_matched, real


@pytest.mark.parametrize("eps", [0.05, 0.01, 0.0005])
@pytest.mark.parametrize("relaxation", [BALANCED, Unbalanced(0.5, 0.5), Partial(0.8)])
def test_a_stopped_pair_is_as_accurate_as_was_asked(eps: float, relaxation: Relaxation) -> None:
    x, y = partly_matched(32, 14, 20)
    found = solve(
        x, y, real(32, 14), real(32, 20), eps=eps, iterations=1000, tolerance=1e-3, relaxation=relaxation
    )
    stopped = found.iterations < 1000
    assert stopped.any()
    assert (found.row_violation[stopped] <= 1.1e-3).all()
    if relaxation == BALANCED:
        off = (found.plan.sum(2) - 1 / 14).abs().sum(1)
        assert (off[stopped] <= 1.1e-3).all()


def test_easy_pairs_stop_before_hard_ones_and_hard_ones_go_on() -> None:
    x, easy = partly_matched(3, 16, 16, noise=0.1)
    _, hard = partly_matched(3, 16, 16, noise=5.0, seed=1)
    found = solve(
        x.repeat(2, 1, 1), torch.cat([easy, hard]), real(6, 16), real(6, 16), eps=0.02, iterations=2000,
        tolerance=1e-6,
    )  # fmt: skip
    assert found.iterations[:3].max() < found.iterations[3:].min()
    assert (found.row_violation < 2e-6).all()


@pytest.mark.parametrize("eps", [0.02, 0.0005])
def test_neighbours_do_not_decide_when_a_pair_stops(eps: float) -> None:
    x, y = partly_matched(12, 10, 13)
    together = solve(x, y, real(12, 10), real(12, 13), eps=eps, iterations=500, tolerance=1e-4)
    assert len(together.iterations.unique()) > 1
    for pair in range(12):
        one = slice(pair, pair + 1)
        alone = solve(x[one], y[one], real(1, 10), real(1, 13), eps=eps, iterations=500, tolerance=1e-4)
        assert abs(alone.iterations - together.iterations[one]) <= 10  # where rounding decides
        torch.testing.assert_close(alone.plan, together.plan[one], atol=1e-4, rtol=0)


def test_a_tolerance_that_nothing_meets_changes_nothing() -> None:
    x, y = partly_matched(4, 10, 13)
    plain = solve(x, y, real(4, 10), real(4, 13), eps=0.05)
    found = solve(x, y, real(4, 10), real(4, 13), eps=0.05, tolerance=1e-30)
    assert found.iterations.tolist() == plain.iterations.tolist() == [100] * 4
    assert torch.equal(found.plan, plain.plan)


def test_no_pair_stops_before_eps_is_reached() -> None:
    x, y = partly_matched(4, 6, 6)
    found = solve(x, y, real(4, 6), real(4, 6), eps=0.01, iterations=300, tolerance=2.0)
    assert found.iterations.tolist() == [80] * 4


def test_iterations_of_pairs_that_cannot_be_solved_are_none() -> None:
    x, y = partly_matched(2, 6, 6)
    found = solve(x, y, torch.tensor([[True] * 6, [False] * 6]), real(2, 6), iterations=7)
    assert found.iterations.tolist() == [7, 0]
