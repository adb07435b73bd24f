"""Greedy alignment against a loop that does what its definition says, one sentence pair and one match at a time."""

from dataclasses import replace

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sentence_transformers import MultiVectorEncoder

from optical.objectives import GreedyAlignmentLoss, OptimalTransportLoss, TokenPairs

from .examples import joined, one_pair, padded, random_pairs

LENGTHS = [(5, 8), (7, 3), (6, 6), (1, 4)]


def matches_of(x: torch.Tensor, y: torch.Tensor) -> list[tuple[int, int]]:
    """Match the most similar pair of tokens, take both out, and so on."""
    similarity = (x @ y.T).tolist()
    left = [(i, j) for i in range(len(x)) for j in range(len(y))]
    matches = []
    while left:
        i, j = max(left, key=lambda place: similarity[place[0]][place[1]])
        matches.append((i, j))
        left = [place for place in left if place[0] != i and place[1] != j]
    return matches


def batch() -> tuple[list[TokenPairs], TokenPairs]:
    sentences = [random_pairs(1, n, m, noise=2.0, seed=n) for n, m in LENGTHS]
    return sentences, joined(
        *(padded(pairs, 9 - n, 9 - m) for pairs, (n, m) in zip(sentences, LENGTHS, strict=True))
    )


def test_it_is_the_mean_distance_of_greedy_matches(tiny_teacher: MultiVectorEncoder) -> None:
    sentences, together = batch()
    costs = []
    for pairs in sentences:
        x, y = pairs.x[0], pairs.y[0]
        matches = matches_of(x, y)
        costs.append(sum(1 - float(x[i] @ y[j]) for i, j in matches) / len(matches))
    loss = GreedyAlignmentLoss(tiny_teacher).compare(together)
    assert float(loss) == pytest.approx(sum(costs) / len(costs), abs=1e-6)


def test_it_is_the_mean_squared_error_of_the_original_times_half_the_dimension(
    tiny_teacher: MultiVectorEncoder,
) -> None:
    pairs = random_pairs(1, 6, 6, noise=2.0)
    x, y = pairs.x[0], pairs.y[0]
    rows, columns = zip(*matches_of(x, y), strict=True)
    expected = torch.nn.functional.mse_loss(y[list(columns)], x[list(rows)]) * x.shape[1] / 2
    torch.testing.assert_close(GreedyAlignmentLoss(tiny_teacher).compare(pairs), expected)


def test_a_token_is_pulled_to_its_match_and_left_over_tokens_are_not(
    tiny_teacher: MultiVectorEncoder,
) -> None:
    sentences, together = batch()
    y = together.y.clone().requires_grad_()
    GreedyAlignmentLoss(tiny_teacher).compare(replace(together, y=y)).backward()
    expected = torch.zeros_like(y)
    for place, pairs in enumerate(sentences):
        matches = matches_of(pairs.x[0], pairs.y[0])
        for i, j in matches:
            expected[place, j] = -pairs.x[0, i] / len(matches) / len(sentences)
    torch.testing.assert_close(y.grad, expected)


def test_greedy_is_not_the_best_assignment(tiny_teacher: MultiVectorEncoder) -> None:
    """The first match (cosine 1) leaves opposites to each other; to cross costs 0.4 a match."""
    east, near_east, north_west = [1.0, 0.0], [0.6, 0.8], [-0.28, 0.96]
    pairs = one_pair([near_east, east], [near_east, north_west], "tt", "tt")
    greedy = float(GreedyAlignmentLoss(tiny_teacher).compare(pairs))
    assert greedy == pytest.approx((0 + 1.28) / 2, abs=1e-6)
    cost = (1 - pairs.x[0] @ pairs.y[0].T).numpy()
    best = cost[linear_sum_assignment(cost)].mean()
    assert best == pytest.approx((0.4 + 0.4) / 2, abs=1e-6)
    transport = OptimalTransportLoss(tiny_teacher, iterations=200).compare(pairs)
    assert float(transport) == pytest.approx(best, abs=1e-3)


def test_equal_tokens_are_matched_one_to_one(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = one_pair([[1.0, 0.0]] * 3, [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], "ttt", "ttt")
    loss = GreedyAlignmentLoss(tiny_teacher).compare(pairs)
    assert float(loss) == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("sides", [("--", "tt"), ("tt", "--"), ("--", "--")])
def test_a_pair_without_tokens_does_not_count(
    tiny_teacher: MultiVectorEncoder, sides: tuple[str, str]
) -> None:
    tokens = [[1.0, 0.0], [0.0, 1.0]]
    normal, empty = one_pair(tokens, tokens[::-1], "t-", "tt"), one_pair(tokens, tokens, *sides)
    loss = GreedyAlignmentLoss(tiny_teacher)
    torch.testing.assert_close(loss.compare(joined(normal, empty)), loss.compare(normal))
    assert float(loss.compare(empty)) == 0


def test_a_student_that_makes_nan_does_not_look_perfect(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = random_pairs(2, 5, 6)
    y = pairs.y.clone()
    y[0, 2] = torch.nan
    assert GreedyAlignmentLoss(tiny_teacher).compare(replace(pairs, y=y)).isnan()
