"""The Chamfer distance against loops over the tokens of both sides."""

from dataclasses import replace

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.objectives import GreedyAlignmentLoss, HardMaxLoss, TokenPairs

from .examples import joined, one_pair, padded, random_pairs

LENGTHS = [(5, 8), (7, 3), (6, 6), (1, 4)]


def batch() -> tuple[list[TokenPairs], TokenPairs]:
    sentences = [random_pairs(1, n, m, noise=2.0, seed=n) for n, m in LENGTHS]
    return sentences, joined(
        *(padded(pairs, 9 - n, 9 - m) for pairs, (n, m) in zip(sentences, LENGTHS, strict=True))
    )


def test_it_is_the_mean_distance_to_the_nearest_of_the_other_side(tiny_teacher: MultiVectorEncoder) -> None:
    sentences, together = batch()
    distances = []
    for pairs in sentences:
        x, y = pairs.x[0], pairs.y[0]
        from_student = [min(1 - float(i @ j) for i in x) for j in y]
        from_teacher = [min(1 - float(i @ j) for j in y) for i in x]
        distances.append((sum(from_student) / len(from_student) + sum(from_teacher) / len(from_teacher)) / 2)
    loss = HardMaxLoss(tiny_teacher).compare(together)
    assert float(loss) == pytest.approx(sum(distances) / len(distances), abs=1e-6)


def test_the_gradient_takes_the_matches_as_given(tiny_teacher: MultiVectorEncoder) -> None:
    sentences, together = batch()
    y = together.y.clone().requires_grad_()
    HardMaxLoss(tiny_teacher).compare(replace(together, y=y)).backward()
    expected = torch.zeros_like(y)
    for place, pairs in enumerate(sentences):
        x, own = pairs.x[0], pairs.y[0]
        for j, token in enumerate(own):
            expected[place, j] -= max(x, key=lambda other: float(other @ token)) / len(own)
        for token in x:
            nearest = max(range(len(own)), key=lambda j: float(own[j] @ token))
            expected[place, nearest] -= token / len(x)
    torch.testing.assert_close(y.grad, expected / 2 / len(sentences))


def test_several_tokens_may_have_the_same_match(tiny_teacher: MultiVectorEncoder) -> None:
    east, north = [1.0, 0.0], [0.0, 1.0]
    pairs = one_pair([east, north], [east, east], "tt", "tt")
    # All student tokens are at home with one teacher token; the other teacher token has nobody near.
    assert float(HardMaxLoss(tiny_teacher).compare(pairs)) == pytest.approx((0 + (0 + 1) / 2) / 2)
    assert float(GreedyAlignmentLoss(tiny_teacher).compare(pairs)) == pytest.approx((0 + 1) / 2)


def test_it_is_symmetric(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = random_pairs(4, 5, 9, noise=2.0)
    swapped = replace(pairs, x=pairs.y, y=pairs.x, x_mask=pairs.y_mask, y_mask=pairs.x_mask)
    loss = HardMaxLoss(tiny_teacher)
    torch.testing.assert_close(loss.compare(swapped), loss.compare(pairs))


@pytest.mark.parametrize("sides", [("--", "tt"), ("tt", "--"), ("--", "--")])
def test_a_pair_without_tokens_does_not_count(
    tiny_teacher: MultiVectorEncoder, sides: tuple[str, str]
) -> None:
    tokens = [[1.0, 0.0], [0.0, 1.0]]
    normal, empty = one_pair(tokens, tokens[::-1], "t-", "tt"), one_pair(tokens, tokens, *sides)
    loss = HardMaxLoss(tiny_teacher)
    torch.testing.assert_close(loss.compare(joined(normal, empty)), loss.compare(normal))
    assert float(loss.compare(empty)) == 0
