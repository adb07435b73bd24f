"""The discriminator against the same network in plain PyTorch, and on tokens of which it is known what it can do."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from optical.objectives import TokenPairs
from optical.objectives.discriminator import Discriminator

from .examples import joined, padded, random_pairs

LENGTHS = [(5, 8), (7, 3), (6, 6), (1, 4)]


def batch() -> tuple[list[TokenPairs], TokenPairs]:
    sentences = [random_pairs(1, n, m, noise=2.0, seed=n) for n, m in LENGTHS]
    return sentences, joined(
        *(padded(pairs, 9 - n, 9 - m) for pairs, (n, m) in zip(sentences, LENGTHS, strict=True))
    )


def in_plain_pytorch(discriminator: Discriminator) -> nn.Sequential:
    first, last = discriminator.first, discriminator.last
    plain = nn.Sequential(
        nn.Linear(first.in_features, first.out_features), nn.LeakyReLU(0.2), nn.Linear(last.in_features, 1)
    )
    plain[0].load_state_dict(first.state_dict())
    plain[2].load_state_dict(last.state_dict())
    return plain


def entropy_in_plain_pytorch(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """x (tokens, d) are English: 0; y (tokens, d) are foreign: 1."""
    tokens = torch.cat([x, y])
    labels = torch.cat([torch.zeros(len(x)), torch.ones(len(y))])
    weights = torch.cat([torch.full((len(x),), 0.5 / len(x)), torch.full((len(y),), 0.5 / len(y))])
    return binary_cross_entropy_with_logits(network(tokens).squeeze(1), labels, weights, reduction="sum")


def test_the_entropy_is_that_of_all_real_tokens_with_their_labels() -> None:
    sentences, together = batch()
    discriminator = Discriminator(24, 16, seed=0)
    x, y = torch.cat([pairs.x[0] for pairs in sentences]), torch.cat([pairs.y[0] for pairs in sentences])
    expected = entropy_in_plain_pytorch(in_plain_pytorch(discriminator), x, y)
    torch.testing.assert_close(discriminator.entropy(together, watch=False), expected)


def test_it_learns_to_tell_apart_what_can_be_told_apart() -> None:
    """Sentences differ in their tokens, so labels that are mixed up between sentences could not be learned."""
    _, together = batch()
    apart = replace(together, y=normalize(together.y + 2 * torch.eye(24)[0], dim=-1))
    discriminator = Discriminator(24, 32, seed=0)
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=5e-3)
    for _ in range(300):
        optimiser.zero_grad()
        entropy = discriminator.entropy(apart, watch=True)
        entropy.backward()
        optimiser.step()
    assert float(entropy.detach()) < 0.01
    assert float(discriminator.accuracy) > 0.999


def test_it_knows_nothing_of_equal_tokens() -> None:
    pairs = random_pairs(8, 6, 6)
    equal = replace(pairs, y=pairs.x)
    discriminator = Discriminator(24, 32, seed=0)
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=5e-3)
    for _ in range(100):
        optimiser.zero_grad()
        entropy = discriminator.entropy(equal, watch=True)
        entropy.backward()
        optimiser.step()
    assert float(entropy.detach()) == pytest.approx(math.log(2), abs=1e-4)
    assert float(discriminator.accuracy) == pytest.approx(0.5, abs=1e-6)


def test_the_accuracy_is_balanced_and_a_running_mean() -> None:
    sentences, together = batch()
    discriminator = Discriminator(24, 16, seed=3)
    with torch.no_grad():
        english = torch.cat([discriminator(pairs.x[0]) < 0 for pairs in sentences]).float().mean()
        foreign = torch.cat([discriminator(pairs.y[0]) > 0 for pairs in sentences]).float().mean()
    right = float(english + foreign) / 2
    expected = 0.5
    for _ in range(3):
        discriminator.entropy(together, watch=True)
        discriminator.entropy(together, watch=False)
        expected = 0.95 * expected + 0.05 * right
    assert float(discriminator.accuracy) == pytest.approx(expected, abs=1e-6)


def test_padding_changes_nothing() -> None:
    pairs = random_pairs(4, 5, 7)
    plain, more = Discriminator(24, 16, seed=0), Discriminator(24, 16, seed=0)
    plain.entropy(pairs, watch=True).backward()
    more.entropy(padded(pairs, 6, 3), watch=True).backward()
    for name, weight in plain.named_parameters():
        torch.testing.assert_close(more.get_parameter(name).grad, weight.grad)
    torch.testing.assert_close(more.accuracy, plain.accuracy)


def test_no_tokens_no_loss() -> None:
    pairs = random_pairs(2, 3, 3)
    nothing = replace(pairs, x_mask=torch.zeros_like(pairs.x_mask), y_mask=torch.zeros_like(pairs.y_mask))
    discriminator = Discriminator(24, 16, seed=0)
    entropy = discriminator.entropy(nothing, watch=False)
    entropy.backward()
    assert float(entropy.detach()) == 0
    assert all(not weight.grad.any() for weight in discriminator.parameters() if weight.grad is not None)


def test_the_seed_alone_decides_the_initial_weights() -> None:
    first = Discriminator(24, 16, seed=5).state_dict()
    torch.manual_seed(1)
    again, other = Discriminator(24, 16, seed=5).state_dict(), Discriminator(24, 16, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["first.weight"], other["first.weight"])


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden is 0; expected at least 1"):
        Discriminator(24, 0, seed=0)
