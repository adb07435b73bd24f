"""The two turns against two losses that are written down and differentiated one by one."""

import math
from dataclasses import replace

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from optical.distillation.language_probe import language_probe
from optical.objectives import AlternatingAdversarialLoss

from .examples import padded
from .test_adversarial import WIDTH, pairs_of
from .test_discriminator import entropy_in_plain_pytorch, in_plain_pytorch


def test_each_side_gets_the_gradient_of_its_own_turn(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = pairs_of(3, 5, 7)
    loss = AlternatingAdversarialLoss(tiny_teacher, generator_weight=0.3)
    own = pairs.y.clone().requires_grad_()
    value = loss.compare(replace(pairs, y=own))
    value.backward()

    learning = in_plain_pytorch(loss.discriminator)
    first = entropy_in_plain_pytorch(learning, pairs.x.flatten(0, 1), pairs.y.flatten(0, 1))
    first.backward()
    for mine, theirs in zip(loss.discriminator.parameters(), learning.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)

    fixed, y = in_plain_pytorch(loss.discriminator).requires_grad_(False), pairs.y.clone().requires_grad_()
    logits = fixed(y.flatten(0, 1)).squeeze(1)
    # Flipped: the student wants its tokens to be taken for English ones, whose label is 0.
    second = 0.3 * binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
    second.backward()
    torch.testing.assert_close(own.grad, y.grad)
    torch.testing.assert_close(value.detach(), (first + second).detach())


def test_one_step_is_the_student_s_turn_and_then_the_discriminator_s(
    tiny_teacher: MultiVectorEncoder,
) -> None:
    """Two optimisers, one after the other, come to the same as one that takes both at once."""
    pairs = pairs_of(3, 5, 7)
    together = AlternatingAdversarialLoss(tiny_teacher, generator_weight=0.3)
    y = pairs.y.clone().requires_grad_()
    one = torch.optim.Adam([{"params": [y]}, {"params": together.discriminator.parameters()}], lr=1e-2)

    network = in_plain_pytorch(together.discriminator)
    tokens = pairs.y.clone().requires_grad_()
    students, discriminators = (
        torch.optim.Adam([tokens], lr=1e-2),
        torch.optim.Adam(network.parameters(), lr=1e-2),
    )
    for _ in range(5):
        one.zero_grad()
        together.compare(replace(pairs, y=y)).backward()
        one.step()

        made = tokens.detach().clone()
        students.zero_grad()
        logits = network(tokens.flatten(0, 1)).squeeze(1)
        (0.3 * binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))).backward()
        students.step()
        discriminators.zero_grad()
        entropy_in_plain_pytorch(network, pairs.x.flatten(0, 1), made.flatten(0, 1)).backward()
        discriminators.step()
    torch.testing.assert_close(y, tokens, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(together.discriminator.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_both_learn_from_one_pass_until_the_languages_look_alike(tiny_teacher: MultiVectorEncoder) -> None:
    """Free student tokens that start off on one side of the teacher's."""
    pairs = pairs_of(16, 8, 8)
    apart = normalize(pairs_of(16, 8, 8, seed=1).y + 2 * torch.eye(WIDTH)[0], dim=-1)
    assert language_probe(list(pairs.x), list(apart)) > 0.95
    loss = AlternatingAdversarialLoss(tiny_teacher, hidden=64)
    tiny_teacher.train()
    y = apart.clone().requires_grad_()
    groups = [
        {"params": [y], "lr": 5e-3},
        {"params": list(loss.own_parameters().values()), "lr": 5e-3},
    ]
    optimiser = torch.optim.Adam(groups)
    for _ in range(300):
        optimiser.zero_grad()
        loss.compare(replace(pairs, y=normalize(y, dim=-1))).backward()
        optimiser.step()
    assert loss.figures()["discriminator_accuracy"] < 0.75
    found = normalize(y.detach(), dim=-1)
    assert abs(float(found.mean((0, 1))[0] - pairs.x.mean((0, 1))[0])) < 0.15


def test_padding_changes_nothing(tiny_teacher: MultiVectorEncoder) -> None:
    pairs = pairs_of(3, 5, 7)
    y, more = pairs.y.clone().requires_grad_(), padded(pairs, 4, 6).y.clone().requires_grad_()
    loss = AlternatingAdversarialLoss(tiny_teacher)
    plain, longer = (
        loss.compare(replace(pairs, y=y)),
        loss.compare(replace(padded(pairs, 4, 6), y=more)),
    )
    torch.testing.assert_close(longer, plain)
    plain.backward()
    longer.backward()
    assert more.grad is not None
    torch.testing.assert_close(more.grad[:, :7], y.grad)
    assert not more.grad[:, 7:].any()


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_impossible_weights_are_refused(tiny_teacher: MultiVectorEncoder, weight: float) -> None:
    with pytest.raises(ValueError, match=f"generator_weight is {weight}; expected a positive number"):
        AlternatingAdversarialLoss(tiny_teacher, generator_weight=weight)


def test_the_model_card_gets_settings_and_citation(tiny_teacher: MultiVectorEncoder) -> None:
    loss = AlternatingAdversarialLoss(tiny_teacher, generator_weight=0.1, hidden=9, seed=2)
    assert loss.get_config_dict() == {"generator_weight": 0.1, "hidden": 9, "seed": 2}
    assert "goodfellow2014generative" in loss.citation
    assert r"Herv{\'e} J{\'e}gou" in loss.citation
