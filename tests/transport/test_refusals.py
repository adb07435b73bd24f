"""Bad input is refused with the argument's name, what it was, and what was expected."""

from typing import Any

import pytest
import torch

from optical.transport import Partial, solve

from .pairs import WIDTH, partly_matched, real

X, Y = partly_matched(2, 3, 4)
NAN = float("nan")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": X[0]}, r"x has shape \(3, 32\); expected \(B, n, d\)"),
        ({"x": X.int()}, r"x has dtype torch\.int32; expected floating point"),
        ({"x": X[:, :0]}, r"x has shape \(2, 0, 32\); expected at least one token position"),
        ({"y": Y[:, :0]}, r"y has shape \(2, 0, 32\); expected at least one token position"),
        ({"y": Y[:1]}, r"y has shape \(1, 4, 32\); expected \(2, m, 32\)"),
        ({"y": Y[0]}, r"y has shape \(4, 32\); expected \(2, m, 32\)"),
        ({"y": Y[:, :, :8]}, r"y has shape \(2, 4, 8\); expected \(2, m, 32\)"),
        ({"y": Y.double()}, r"y has dtype torch\.float64; expected torch\.float32"),
        ({"y": Y.to("meta")}, r"y is on meta; expected cpu.*shape is \(2, 4, 32\)"),
        ({"x_mask": real(2, 4)}, r"x_mask has shape \(2, 4\); expected \(2, 3\)"),
        ({"y_mask": real(2, 3)}, r"y_mask has shape \(2, 3\); expected \(2, 4\)"),
        ({"y_mask": real(2, 4, 1)}, r"y_mask has shape \(2, 4, 1\); expected \(2, 4\)"),
        (
            {"x_mask": real(2, 3).long()},
            r"x_mask has dtype torch\.int64; expected torch\.bool.*shape is \(2, 3\)",
        ),
        ({"y_mask": real(2, 4).float()}, r"y_mask has dtype torch\.float32; expected torch\.bool"),
        ({"x_mask": real(2, 3).to("meta")}, "x_mask is on meta; expected cpu"),
        ({"a": torch.ones(3)}, r"a has shape \(3,\); expected \(2, 3\)"),
        ({"b": torch.ones(2, 3)}, r"b has shape \(2, 3\); expected \(2, 4\)"),
        ({"a": torch.ones(2, 3).long()}, r"a has dtype torch\.int64; expected floating point"),
        ({"a": torch.ones(2, 3, device="meta")}, "a is on meta; expected cpu"),
        (
            {"a": torch.tensor([[1.0, 1, 1], [1, -0.5, 1]])},
            r"a\[1, 1\] is -0\.5; expected finite weights .*shape is \(2, 3\)",
        ),
        ({"b": torch.tensor([[1.0, 1, 1, NAN], [1, 1, 1, 1]])}, r"b\[0, 3\] is nan; expected finite weights"),
        ({"b": torch.full((2, 4), float("inf"))}, r"b\[0, 0\] is inf; expected finite weights"),
        ({"a": torch.tensor([[1.0, 1, 1], [0, 0, 0]])}, r"a\[1\] is 0 at every real token"),
        ({"b": torch.zeros(2, 4)}, r"b\[0\] is 0 at every real token"),
        ({"eps": 0.0}, r"eps is 0\.0; expected a finite number of at least 1\.2e-07"),
        ({"eps": -0.01}, r"eps is -0\.01"),
        ({"eps": NAN}, "eps is nan"),
        ({"eps": float("inf")}, "eps is inf"),
        ({"eps": 1e-12}, "eps is 1e-12"),
        ({"iterations": 0}, "iterations is 0; expected a whole number of at least 1"),
        ({"iterations": -3}, "iterations is -3; expected a whole number of at least 1"),
        ({"iterations": 50.0}, r"iterations is 50\.0; expected a whole number of at least 1"),
        ({"schedule": "linear"}, "schedule is 'linear'; expected one of annealed, ipot, constant"),
        ({"tolerance": 0.0}, r"tolerance is 0\.0; expected a positive number"),
        ({"tolerance": NAN}, "tolerance is nan; expected a positive number"),
        ({"tolerance": 1e-3, "schedule": "ipot"}, r"tolerance is 0\.001; expected .* other than 'ipot'"),
        ({"relaxation": "partial"}, "relaxation is 'partial'; expected Unbalanced or Partial"),
        ({"relaxation": Partial}, "relaxation is <class .*Partial'>; expected Unbalanced or Partial"),
    ],
)
def test_refused(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"x": X, "y": Y, "x_mask": real(2, 3), "y_mask": real(2, 4), **changed}
    with pytest.raises(ValueError, match=f"^{message}"):
        solve(**arguments)


def test_weights_that_are_zero_but_for_padding_are_refused() -> None:
    mask = torch.tensor([[True, True, False]]).expand(2, 3)
    with pytest.raises(ValueError, match=r"a\[0\] is 0 at every real token"):
        solve(X, Y, mask, real(2, 4), a=torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3))


def test_what_is_accepted() -> None:
    half = torch.ones(2, 4, dtype=torch.float16)
    assert solve(X, Y, real(2, 3), real(2, 4), b=half).valid.all()
    assert solve(torch.zeros(1, 2, WIDTH), torch.zeros(1, 2, WIDTH), real(1, 2), real(1, 2)).cost == 1
