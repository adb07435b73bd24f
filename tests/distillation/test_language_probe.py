"""The probe on tokens of which it is known whether they can be told apart."""

import pytest
import torch
from torch.nn.functional import normalize

from optical.distillation.language_probe import language_probe


def sentences(count: int, *, shift: float = 0.0, seed: int = 0) -> list[torch.Tensor]:
    """Unit vectors around a common direction, in sentences of 3 to 12 tokens, moved along another direction."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 13, (count,), generator=generator).tolist()
    common, other = torch.eye(32)[:2]
    return [
        normalize(torch.randn(length, 32, generator=generator) / 32**0.5 + common + shift * other, dim=-1)
        for length in lengths
    ]


def test_tokens_of_one_distribution_cannot_be_told_apart() -> None:
    assert language_probe(sentences(400), sentences(400, seed=1)) == pytest.approx(0.5, abs=0.04)


def test_tokens_of_two_distributions_can() -> None:
    assert language_probe(sentences(100), sentences(100, shift=3.0, seed=1)) == 1
    between = language_probe(sentences(400), sentences(400, shift=0.2, seed=1))
    assert 0.6 < between < 0.9


def test_equal_tokens_cannot_be_told_apart() -> None:
    english = sentences(31)
    assert language_probe(english, english) == 0.5


def test_many_tokens_on_one_side_do_not_tip_the_balance() -> None:
    few, many = sentences(200), [torch.cat([each] * 9) for each in sentences(200, seed=1)]
    assert language_probe(few, many) == pytest.approx(0.5, abs=0.05)
    assert language_probe(many, few) == pytest.approx(0.5, abs=0.05)


def test_it_is_tested_on_sentences_that_it_was_not_trained_on() -> None:
    """Languages that differ on the sentences trained on only, and the other way round on the others."""
    english, foreign = sentences(100), sentences(100, shift=3.0, seed=1)
    crossed = [
        (x, y) if place % 2 == 0 else (y, x)
        for place, (x, y) in enumerate(zip(english, foreign, strict=True))
    ]
    assert language_probe([x for x, _ in crossed], [y for _, y in crossed]) == 0


def test_two_pairs_are_enough() -> None:
    assert language_probe(sentences(2), sentences(2, shift=3.0, seed=1)) == 1
