"""Weights of tokens: rare ones weigh more, long vectors weigh more, and both make marginals."""

import math

import pytest
import torch

from optical.transport import idf_weights, solve, unit_and_norm

from .pairs import partly_matched, real


def test_inverse_document_frequency_is_the_formula() -> None:
    frequency = torch.tensor([0, 1, 5, 10])
    found = idf_weights(torch.tensor([[3, 0], [1, 2]]), frequency, 10)
    expected = [[math.log(1 + (10 - df + 0.5) / (df + 0.5)) for df in row] for row in ([10, 0], [1, 5])]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert (found > 0).all()


def test_rare_tokens_get_their_share_of_the_marginal() -> None:
    x, y = partly_matched(1, 3, 4)
    weights = idf_weights(torch.tensor([[0, 1, 2]]), torch.tensor([9, 1, 5]), 10)
    found = solve(x, y, real(1, 3), real(1, 4), a=weights, eps=0.05, iterations=500)
    torch.testing.assert_close(found.plan.sum(2), weights / weights.sum(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("tokens", "frequency", "message"),
    [
        ([[0, 4]], [1, 2, 3, 4], "tokens has ids from 0 to 4; expected ids from 0 to 3"),
        ([[-1, 2]], [1, 2, 3, 4], "tokens has ids from -1 to 2; expected ids from 0 to 3"),
        ([[0]], [11], "document_frequency has values that are not between 0 and 10"),
        ([[0]], [-1], "document_frequency has values that are not between 0 and 10"),
    ],
)
def test_impossible_counts_are_refused(tokens: list[list[int]], frequency: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        idf_weights(torch.tensor(tokens), torch.tensor(frequency), 10)


def test_vectors_are_divided_into_direction_and_norm() -> None:
    vectors = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    vectors[1, 2] = 0
    unit, norm = unit_and_norm(vectors)
    torch.testing.assert_close(unit * norm[:, :, None], vectors)
    torch.testing.assert_close(norm, vectors.square().sum(-1).sqrt())
    assert (unit[1, 2] == 0).all()
    found = solve(unit, unit, real(2, 3), real(2, 3), a=norm, b=norm)
    torch.testing.assert_close(found.plan.sum(1), norm / norm.sum(1, keepdim=True), atol=1e-5, rtol=0)
