"""Gradient reversal against the plain gradient, the ramp against its formula, and what training comes to."""

import math
from dataclasses import replace

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from torch.nn.functional import normalize

from optical.distillation.language_probe import language_probe
from optical.objectives import AdversarialLoss, TokenPairs, make_objective

from .examples import features, random_pairs
from .test_discriminator import entropy_in_plain_pytorch, in_plain_pytorch

WIDTH = 16  # of the tiny teacher's token vectors


def pairs_of(count: int, n: int, m: int, *, seed: int = 0) -> TokenPairs:
    return random_pairs(count, n, m, width=WIDTH, noise=2.0, seed=seed)


def at_progress(loss: AdversarialLoss, progress: float) -> AdversarialLoss:
    loss.batches.fill_(round(progress * loss.steps))
    return loss


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.5, 1.0, 3.0])
def test_the_student_gets_the_reversed_gradient_and_the_discriminator_its_own(
    tiny_teacher: MultiVectorEncoder, progress: float
) -> None:
    pairs = pairs_of(3, 5, 7)
    loss = at_progress(AdversarialLoss(tiny_teacher, steps=10), progress)
    plain = in_plain_pytorch(loss.discriminator)
    y, own = pairs.y.clone().requires_grad_(), pairs.y.clone().requires_grad_()
    expected = entropy_in_plain_pytorch(plain, pairs.x.flatten(0, 1), y.flatten(0, 1))
    expected.backward()
    value = loss.compare(replace(pairs, y=own))
    value.backward()
    torch.testing.assert_close(value, expected)
    assert y.grad is not None
    strength = 2 / (1 + math.exp(-10 * min(progress, 1))) - 1
    torch.testing.assert_close(own.grad, -strength * y.grad)
    for mine, theirs in zip(loss.discriminator.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_the_ramp_rises_with_the_batches_seen_in_training(tiny_teacher: MultiVectorEncoder) -> None:
    pairs, loss = pairs_of(2, 4, 4), AdversarialLoss(tiny_teacher, steps=4)
    tiny_teacher.train()
    seen = []
    for _ in range(6):
        seen.append(float(loss.strength()))
        loss.compare(pairs)
    expected = [2 / (1 + math.exp(-10 * p)) - 1 for p in (0, 0.25, 0.5, 0.75, 1, 1)]
    assert seen == pytest.approx(expected, abs=1e-6)
    assert seen[0] == 0


def test_evaluation_is_not_progress(tiny_teacher: MultiVectorEncoder) -> None:
    pairs, loss = pairs_of(2, 4, 4), AdversarialLoss(tiny_teacher, steps=4)
    tiny_teacher.eval()
    before = {name: value.clone() for name, value in loss.own_state().items()}
    loss.compare(pairs)
    assert all(torch.equal(value, before[name]) for name, value in loss.own_state().items())


def test_both_learn_from_one_pass_until_the_languages_look_alike(tiny_teacher: MultiVectorEncoder) -> None:
    """Free student tokens that start off on one side of the teacher's."""
    pairs = pairs_of(16, 8, 8)
    apart = normalize(pairs_of(16, 8, 8, seed=1).y + 2 * torch.eye(WIDTH)[0], dim=-1)
    assert language_probe(list(pairs.x), list(apart)) > 0.95
    loss = AdversarialLoss(tiny_teacher, steps=300, hidden=64)
    tiny_teacher.train()
    y = apart.clone().requires_grad_()
    groups = [
        {"params": [y], "lr": 5e-3},
        {"params": list(loss.own_parameters().values()), "lr": 5e-3},
    ]
    optimiser = torch.optim.Adam(groups)
    accuracies = []
    for _ in range(300):
        optimiser.zero_grad()
        loss.compare(replace(pairs, y=normalize(y, dim=-1))).backward()
        optimiser.step()
        accuracies.append(loss.figures()["discriminator_accuracy"])
    assert max(accuracies) > 0.85  # while the student still stands where it started
    assert accuracies[-1] < 0.7
    found = normalize(y.detach(), dim=-1)
    assert abs(float(found.mean((0, 1))[0] - pairs.x.mean((0, 1))[0])) < 0.1
    assert float(apart.mean((0, 1))[0]) > 0.5


def test_its_state_is_what_it_learns_without_the_student(tiny_teacher: MultiVectorEncoder) -> None:
    layers = ("first.weight", "first.bias", "last.weight", "last.bias")
    learned = {f"discriminator.{layer}" for layer in layers}
    loss = AdversarialLoss(tiny_teacher, steps=10)
    assert set(loss.own_parameters()) == learned
    assert set(loss.own_state()) == learned | {"batches", "discriminator.accuracy"}
    total = make_objective("0.1*adversarial + mean-pool", tiny_teacher)
    assert set(total.own_parameters()) == {f"objectives.adversarial.{name}" for name in learned}
    assert len(total.own_state()) == len(loss.own_state())
    assert make_objective("optical", tiny_teacher).own_state() == {}


@pytest.mark.parametrize("formula", ["adversarial", "adversarial + mean-pool"])
def test_a_loss_goes_on_from_its_state(tiny_teacher: MultiVectorEncoder, formula: str) -> None:
    batch = features(tiny_teacher, ["the river", "rice and maize"], [4, 3])
    first, other = (make_objective(formula, tiny_teacher, seed=seed) for seed in (0, 1))
    tiny_teacher.train()
    first(batch)
    tiny_teacher.eval()
    assert not torch.equal(first(batch), other(batch))
    other.load_own_state({name: value.clone() for name, value in first.own_state().items()})
    assert torch.equal(first(batch), other(batch))
    assert first.figures() == other.figures()


def test_a_sum_names_the_figures_of_its_terms(tiny_teacher: MultiVectorEncoder) -> None:
    formula = "adversarial + 0.5*adversarial-alternating + mean-pool"
    figures = make_objective(formula, tiny_teacher).figures()
    assert figures == {
        "adversarial_discriminator_accuracy": 0.5,
        "adversarial-alternating_discriminator_accuracy": 0.5,
    }


def test_mixed_precision_ends_where_the_student_does(tiny_teacher: MultiVectorEncoder) -> None:
    """Cosines and logits in bfloat16 would be off by a percent."""
    tiny_teacher.eval()
    batch = features(tiny_teacher, ["the river", "rice and maize"], [4, 3])
    compared = []
    loss = AdversarialLoss(tiny_teacher, steps=10)
    loss.discriminator.register_forward_hook(lambda *call: compared.append(call[-1].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(batch)
    assert compared == [torch.float32] * 2


def test_the_model_card_gets_settings_and_citation(tiny_teacher: MultiVectorEncoder) -> None:
    loss = AdversarialLoss(tiny_teacher, steps=7, hidden=9, seed=2)
    assert loss.get_config_dict() == {"steps": 7, "hidden": 9, "seed": 2}
    assert AdversarialLoss(tiny_teacher, **loss.get_config_dict()).get_config_dict() == loss.get_config_dict()
    assert "ganin2016domain" in loss.citation
    assert r"Fran{\c{c}}ois" in loss.citation


def test_no_steps_are_refused(tiny_teacher: MultiVectorEncoder) -> None:
    with pytest.raises(ValueError, match="steps is 0; expected the number of training batches"):
        AdversarialLoss(tiny_teacher, steps=0)
