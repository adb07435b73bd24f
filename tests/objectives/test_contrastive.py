"""The contrastive loss against sentence-transformers' MaxSim and PyTorch's cross-entropy."""

import math
from dataclasses import replace

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.util import maxsim
from torch.nn.functional import cross_entropy

from optical.objectives import ContrastiveLoss, TokenPairs

from .examples import joined, one_pair, padded, random_pairs

LENGTHS = [(5, 8), (7, 3), (6, 6), (1, 4), (3, 2)]


def sentences() -> list[TokenPairs]:
    return [random_pairs(1, n, m, noise=2.0, seed=n) for n, m in LENGTHS]


def batch(parts: list[TokenPairs]) -> TokenPairs:
    return joined(*(padded(pairs, 9 - pairs.x.shape[1], 9 - pairs.y.shape[1]) for pairs in parts))


def scores(parts: list[TokenPairs]) -> torch.Tensor:
    return maxsim([pairs.y[0] for pairs in parts], [pairs.x[0] for pairs in parts], length_normalize=True)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_it_is_the_cross_entropy_of_maxsim(tiny_teacher: MultiVectorEncoder, temperature: float) -> None:
    parts = sentences()
    expected = cross_entropy(scores(parts) / temperature, torch.arange(len(parts)))
    loss = ContrastiveLoss(tiny_teacher, temperature=temperature).compare(batch(parts))
    torch.testing.assert_close(loss, expected)


def test_its_gradient_is_that_of_the_cross_entropy_of_maxsim(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = random_pairs(5, 6, 7, noise=2.0)
    y, own = pairs.y.clone().requires_grad_(), pairs.y.clone().requires_grad_()
    cross_entropy(maxsim(y, pairs.x, length_normalize=True) / 0.05, torch.arange(5)).backward()
    ContrastiveLoss(tiny_teacher).compare(replace(pairs, y=own)).backward()
    torch.testing.assert_close(own.grad, y.grad)


def test_a_repeated_english_sentence_is_no_negative(tiny_teacher: MultiVectorEncoder) -> None:
    parts = sentences()
    # The same question twice, asked in different words of the other language.
    parts += [replace(parts[0], y=random_pairs(1, 5, 8, noise=2.0, seed=77).y), parts[0]]
    found = scores(parts) / 0.05
    for row, column in [(0, 5), (0, 6), (5, 0), (5, 6), (6, 0), (6, 5)]:
        found[row, column] = -math.inf
    expected = cross_entropy(found, torch.arange(7))
    torch.testing.assert_close(ContrastiveLoss(tiny_teacher).compare(batch(parts)), expected)


def test_a_sentence_that_begins_like_another_is_a_negative(tiny_teacher: MultiVectorEncoder) -> None:
    whole = random_pairs(1, 6, 6, noise=2.0)
    start = replace(whole, x_mask=torch.arange(6)[None] < 4)
    parts = [whole, replace(whole, x=whole.x[:, :4], x_mask=whole.x_mask[:, :4])]
    expected = cross_entropy(scores(parts) / 0.05, torch.arange(2))
    torch.testing.assert_close(ContrastiveLoss(tiny_teacher).compare(joined(whole, start)), expected)


def test_alone_there_is_nothing_to_be_confused_with(tiny_teacher: MultiVectorEncoder) -> None:
    assert float(ContrastiveLoss(tiny_teacher).compare(random_pairs(1, 5, 5, noise=2.0))) == 0


@pytest.mark.parametrize("sides", [("--", "tt"), ("tt", "--"), ("--", "--")])
def test_a_pair_without_tokens_does_not_count(
    tiny_teacher: MultiVectorEncoder, sides: tuple[str, str]
) -> None:
    east, north, west = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
    normal = joined(
        one_pair([east, north], [east, north], "tt", "t-"), one_pair([north, west], [east, east], "t-", "tt")
    )
    empty = one_pair([west, west], [east, west], *sides)
    loss = ContrastiveLoss(tiny_teacher, temperature=1.0)
    together = joined(normal, empty)
    y = together.y.clone().requires_grad_()
    value = loss.compare(replace(together, y=y))
    value.backward()
    assert y.grad is not None
    assert y.grad.isfinite().all()
    assert not y.grad[2].any()
    if sides == ("tt", "--"):
        # The English sentence is there, so it can be confused with the others.
        found = torch.tensor([[1.0, 0.0, -1.0], [1.0, 0.0, -1.0]])
        expected = cross_entropy(found, torch.arange(2))
    else:
        expected = loss.compare(normal)
    torch.testing.assert_close(value.detach(), expected)
    assert float(loss.compare(empty)) == 0


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_impossible_temperatures_are_refused(tiny_teacher: MultiVectorEncoder, temperature: float) -> None:
    with pytest.raises(ValueError, match=f"temperature is {temperature}; expected a positive number"):
        ContrastiveLoss(tiny_teacher, temperature=temperature)


def test_the_model_card_gets_settings_and_citation(tiny_teacher: MultiVectorEncoder) -> None:
    loss = ContrastiveLoss(tiny_teacher, temperature=0.2)
    assert loss.get_config_dict() == {"temperature": 0.2}
    assert "oord2018representation" in loss.citation
    assert "khattab2020colbert" in loss.citation
