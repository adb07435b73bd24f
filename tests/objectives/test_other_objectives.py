"""Pooled mean squared error, sums of objectives, their formulas, and what all objectives share."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.errors import OpticalError
from optical.objectives import (
    AdversarialLoss,
    DistillationLoss,
    MeanPoolLoss,
    OptimalTransportLoss,
    WeightedSumLoss,
    make_objective,
)

from .examples import features, joined, padded, random_pairs

# The loss of a batch is the mean of those of its sentence pairs ...
SENTENCE_BY_SENTENCE = ("optical", "mean-pool", "greedy", "hard-max")
# ... or depends on what is in a batch together.
OBJECTIVES = (*SENTENCE_BY_SENTENCE, "contrastive", "adversarial", "adversarial-alternating")
SENTENCES = ["the water of the river", "rice", "who is the president of kenya ?"]


def value(loss: DistillationLoss, batch: list[dict[str, Any]]) -> torch.Tensor:
    result = loss(batch)
    assert isinstance(result, torch.Tensor)
    assert result.shape == ()
    return result


def test_mean_pool_is_torchs_mse_of_the_means_times_the_dimension(tiny_teacher: MultiVectorEncoder) -> None:
    lengths = [(5, 8), (2, 3), (7, 1)]
    sentences = [random_pairs(1, n, m, seed=n) for n, m in lengths]
    x = torch.stack([pairs.x[0].mean(0) for pairs in sentences])
    y = torch.stack([pairs.y[0].mean(0) for pairs in sentences])
    batch = joined(*(padded(pairs, 8 - n, 9 - m) for pairs, (n, m) in zip(sentences, lengths, strict=True)))
    expected = torch.nn.functional.mse_loss(x, y) * x.shape[1]
    torch.testing.assert_close(MeanPoolLoss(tiny_teacher).compare(batch), expected)


def test_mean_pool_knows_nothing_of_tokens(tiny_teacher: MultiVectorEncoder) -> None:
    """Other tokens with the same sum cost nothing, which is what sets it apart from optimal transport."""
    pairs = random_pairs(2, 4, 4)
    mean = pairs.x.mean(1, keepdim=True).expand(-1, 4, -1)
    assert float(MeanPoolLoss(tiny_teacher).compare(replace(pairs, y=mean))) == pytest.approx(0, abs=1e-9)
    assert float(OptimalTransportLoss(tiny_teacher).compare(replace(pairs, y=mean))) > 0.1


@pytest.mark.parametrize("objective", SENTENCE_BY_SENTENCE)
def test_padding_of_the_features_changes_nothing(tiny_teacher: MultiVectorEncoder, objective: str) -> None:
    tiny_teacher.eval()
    loss = make_objective(objective, tiny_teacher)
    alone = [value(loss, features(tiny_teacher, [text], [6])) for text in SENTENCES]
    # The made-up teacher vectors of features() start alike, so the batch repeats those of one sentence.
    together = features(tiny_teacher, SENTENCES, [6, 6, 6], longest=15)
    first = features(tiny_teacher, SENTENCES[:1], [6])[1]["token_embeddings"]
    together[1]["token_embeddings"][:, :12] = first
    torch.testing.assert_close(value(loss, together), torch.stack(alone).mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_padding_of_the_vectors_changes_nothing(tiny_teacher: MultiVectorEncoder, objective: str) -> None:
    tiny_teacher.eval()
    pairs = random_pairs(5, 7, 9, width=16, noise=2.0)
    more = padded(pairs, 6, 4)
    y, y_padded = pairs.y.clone().requires_grad_(), more.y.clone().requires_grad_()
    loss = make_objective(objective, tiny_teacher)
    if isinstance(loss, AdversarialLoss):
        loss.batches.fill_(loss.steps)  # at the start of training it gives the student no gradient
    plain, longer = loss.compare(replace(pairs, y=y)), loss.compare(replace(more, y=y_padded))
    torch.testing.assert_close(longer, plain, rtol=1e-5, atol=1e-7)
    plain.backward()
    longer.backward()
    assert y.grad is not None
    assert y.grad.any()
    assert y_padded.grad is not None
    torch.testing.assert_close(y_padded.grad[:, :9], y.grad, rtol=1e-4, atol=1e-7)
    assert not y_padded.grad[:, 9:].any()


@pytest.mark.parametrize(
    "formula",
    [*OBJECTIVES, "optical + 0.5*mean-pool", "adversarial + mean-pool", "optical + 0.1*contrastive"],
)
def test_the_gradient_reaches_every_part_of_a_student(tiny_teacher: MultiVectorEncoder, formula: str) -> None:
    tiny_teacher.requires_grad_(True).train()
    batch = features(tiny_teacher, SENTENCES, [6, 3, 9])
    batch[1]["token_embeddings"].requires_grad_()
    loss = make_objective(formula, tiny_teacher, steps=1)
    value(loss, batch)  # gradient reversal begins with the second batch
    value(loss, batch).backward()
    untouched = {
        name
        for name, weight in tiny_teacher.named_parameters()
        if weight.grad is None or not weight.grad.any()
    }
    # A late-interaction encoder does not use the pooler; its key biases cancel in the softmax.
    assert {name for name in untouched if "pooler" not in name and "key.bias" not in name} == set()
    assert batch[1]["token_embeddings"].grad is None  # the teacher is data


def test_the_student_runs_its_query_side_with_unit_vectors(tiny_teacher: MultiVectorEncoder) -> None:
    """The loss on a batch equals the loss on what encode_query returns."""
    tiny_teacher.eval()
    foreign, english = features(tiny_teacher, SENTENCES[:1], [6])
    encoded = torch.as_tensor(tiny_teacher.encode_query(SENTENCES[0]))
    pooled = english["token_embeddings"][0, :6].mean(0)
    expected = (encoded.mean(0) - pooled).square().sum()
    torch.testing.assert_close(value(MeanPoolLoss(tiny_teacher), [foreign, english]), expected)


def test_the_features_stay_as_they_were(tiny_teacher: MultiVectorEncoder) -> None:
    foreign, english = features(tiny_teacher, SENTENCES, [6, 3, 9])
    before = set(foreign), foreign["attention_mask"].clone()
    value(OptimalTransportLoss(tiny_teacher), [foreign, english])
    assert set(foreign) == before[0]
    assert torch.equal(foreign["attention_mask"], before[1])


def test_a_weighted_sum_is_the_sum_of_its_parts(tiny_teacher: MultiVectorEncoder) -> None:
    tiny_teacher.eval()
    batch = features(tiny_teacher, SENTENCES, [6, 3, 9])
    parts = {"a": (2.0, OptimalTransportLoss(tiny_teacher)), "b": (0.25, MeanPoolLoss(tiny_teacher))}
    expected = 2 * value(parts["a"][1], batch) + 0.25 * value(parts["b"][1], batch)
    torch.testing.assert_close(value(WeightedSumLoss(tiny_teacher, parts), batch), expected)


def test_a_weighted_sum_runs_the_student_once(tiny_teacher: MultiVectorEncoder) -> None:
    passes = []
    tiny_teacher[0].register_forward_hook(lambda *_: passes.append(1))
    value(make_objective("optical + mean-pool", tiny_teacher), features(tiny_teacher, SENTENCES, [6, 3, 9]))
    assert len(passes) == 1


def test_a_weighted_sum_tells_the_settings_and_sources_of_its_parts(tiny_teacher: MultiVectorEncoder) -> None:
    loss = make_objective("optical + 0.5*mean-pool", tiny_teacher)
    parts = {"optical": OptimalTransportLoss(tiny_teacher), "mean-pool": MeanPoolLoss(tiny_teacher)}
    assert loss.get_config_dict() == {
        "optical": {"weight": 1.0, "loss": "OptimalTransportLoss", **parts["optical"].get_config_dict()},
        "mean-pool": {"weight": 0.5, "loss": "MeanPoolLoss"},
    }
    assert "huang2023improving" in loss.citation
    assert "reimers2020making" in loss.citation


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("optical", {"optical": 1}),
        (" mean-pool ", {"mean-pool": 1}),
        ("optical+mean-pool", {"optical": 1, "mean-pool": 1}),
        ("optical + 0.5*mean-pool", {"optical": 1, "mean-pool": 0.5}),
        ("2 * mean-pool + 1e-2*optical", {"mean-pool": 2, "optical": 0.01}),
        ("0.5*optical", {"optical": 0.5}),
        ("optical + 0.1*contrastive", {"optical": 1, "contrastive": 0.1}),
        ("greedy+hard-max", {"greedy": 1, "hard-max": 1}),
        ("adversarial + mean-pool", {"adversarial": 1, "mean-pool": 1}),
        ("2*adversarial-alternating + optical", {"adversarial-alternating": 2, "optical": 1}),
    ],
)
def test_a_formula_means_what_it_says(
    tiny_teacher: MultiVectorEncoder, formula: str, weights: dict[str, float]
) -> None:
    pairs = random_pairs(3, 5, 6, width=16)
    expected = sum(
        weight * make_objective(name, tiny_teacher).compare(pairs) for name, weight in weights.items()
    )
    torch.testing.assert_close(make_objective(formula, tiny_teacher).compare(pairs), expected)


@pytest.mark.parametrize(
    ("formula", "culprit"),
    [
        ("", "''"),
        ("optica", "'optica'"),
        ("optical +", "''"),
        ("optical + optical", "'optical'"),
        ("optical - mean-pool", "'optical - mean-pool'"),
        ("0.5 mean-pool", "'0.5 mean-pool'"),
        ("0*optical", "weight '0'"),
        ("-1*optical", "weight '-1'"),
        ("nan*optical", "weight 'nan'"),
        ("inf*optical", "weight 'inf'"),
        ("half*optical", "weight 'half'"),
        ("2**optical", r"weight '2\*'"),
        ("*optical", "weight ''"),
    ],
)
def test_a_formula_that_means_nothing_is_refused(
    tiny_teacher: MultiVectorEncoder, formula: str, culprit: str
) -> None:
    with pytest.raises(OpticalError, match=culprit):
        make_objective(formula, tiny_teacher)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_features_of_another_collator_are_refused(tiny_teacher: MultiVectorEncoder, objective: str) -> None:
    foreign, english = features(tiny_teacher, SENTENCES, [6, 3, 9])
    loss = make_objective(objective, tiny_teacher)
    for wrong in ([foreign], [foreign, foreign], [english, foreign], [foreign, english, english], []):
        with pytest.raises(ValueError, match=r"in this order. Use optical.distillation.BitextCollator"):
            loss(wrong)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_cites_its_source(tiny_teacher: MultiVectorEncoder, name: str) -> None:
    citation = str(make_objective(name, tiny_teacher).citation)
    assert citation.strip().startswith("@")
    assert citation.count("{") == citation.count("}") > 0
