"""The losses against plain loops over scores, and against PyTorch's own functions."""

import math

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor
from torch.nn.functional import kl_div, normalize

from optical.errors import OpticalError
from optical.supervision import RankingLoss
from optical.supervision.ranking_loss import contrastive, divergence

SENTENCES = ["where is the river", "water", "the old farmer sells rice"]


def loop(scores: Tensor, positive: list[int], relevant: list[set[int]]) -> Tensor:
    """Cross-entropy of each positive, spelled out."""
    losses = []
    for row, (place, judged) in enumerate(zip(positive, relevant, strict=True)):
        denominator = scores[row, place].exp()
        for passage in range(scores.shape[1]):
            if passage not in judged:
                denominator = denominator + scores[row, passage].exp()
        losses.append(denominator.log() - scores[row, place])
    return torch.stack(losses).mean()


def mask(relevant: list[set[int]], passages: int) -> Tensor:
    return torch.tensor([[passage in judged for passage in range(passages)] for judged in relevant])


@pytest.mark.parametrize(
    ("positive", "relevant"),
    [
        ([0, 1, 2], [{0}, {1}, {2}]),
        ([0, 0, 4], [{0}, {0}, {4}]),
        ([3, 1, 2], [{3, 0, 4}, {1, 2}, {0, 1, 2, 3, 4}]),
    ],
)
def test_contrastive_and_its_gradient_are_those_of_a_loop(
    positive: list[int], relevant: list[set[int]]
) -> None:
    scores = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
    own, expected = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    value = contrastive(own, torch.tensor(positive), mask(relevant, 5))
    reference = loop(expected, positive, relevant)
    torch.testing.assert_close(value, reference)
    value.backward()
    reference.backward()
    assert own.grad is not None
    torch.testing.assert_close(own.grad, expected.grad)
    for row, judged in enumerate(relevant):
        for passage in judged - {positive[row]}:
            assert own.grad[row, passage] == 0, "what is relevant is no negative"


def test_nothing_to_tell_apart_costs_nothing() -> None:
    assert float(contrastive(torch.randn(1, 1), torch.tensor([0]), torch.ones(1, 1, dtype=torch.bool))) == 0


def test_divergence_is_that_of_pytorch_and_of_the_definition() -> None:
    student = (torch.randn(4, 6, generator=torch.Generator().manual_seed(2)) * 3).requires_grad_()
    teacher = torch.randn(4, 6, generator=torch.Generator().manual_seed(3)) * 3
    value = divergence(student, teacher)
    t, u = teacher.softmax(1), student.softmax(1)
    torch.testing.assert_close(value, (t * (t / u).log()).sum(1).mean())
    torch.testing.assert_close(value, kl_div(u.log(), t, reduction="batchmean"))
    (gradient,) = torch.autograd.grad(value, student)
    torch.testing.assert_close(gradient, (u - t) / 4)
    # Adding to all scores of a query changes no ranking; equal rankings cost nothing.
    assert float(divergence(teacher + torch.arange(4).unsqueeze(1), teacher)) == pytest.approx(0, abs=1e-6)


def features(
    encoder: MultiVectorEncoder, passages: list[Tensor], positive: list[int], relevant: list[set[int]]
) -> list[dict[str, Tensor]]:
    longest = max(map(len, passages))
    return [
        dict(encoder.preprocess(SENTENCES, task="query")),
        {
            "token_embeddings": torch.stack(
                [torch.nn.functional.pad(p, (0, 0, 0, longest - len(p)), value=9.0) for p in passages]
            ),
            "attention_mask": torch.stack([torch.arange(longest) < len(p) for p in passages]),
            "positive": torch.tensor(positive),
            "relevant": mask(relevant, len(passages)),
        },
    ]


@pytest.mark.parametrize("objective", ["contrastive", "kl", "contrastive + kl", "kl+contrastive"])
def test_scores_are_mean_maxsim_over_the_temperature(
    objective: str, tiny_teacher: MultiVectorEncoder
) -> None:
    tiny_teacher.eval()
    generator = torch.Generator().manual_seed(4)
    passages = [normalize(torch.randn(n, 16, generator=generator), dim=1) for n in (7, 3, 5, 4)]
    english = [normalize(torch.randn(6, 16, generator=generator), dim=1) for _ in SENTENCES]
    positive, relevant = [0, 1, 2], [{0}, {1, 3}, {2}]
    given = features(tiny_teacher, passages, positive, relevant)
    if "kl" in objective:
        rows = torch.stack(english)
        given.append(
            {"token_embeddings": rows, "attention_mask": torch.ones(rows.shape[:2], dtype=torch.bool)}
        )

    def score(queries: list[Tensor]) -> Tensor:
        return (
            torch.tensor([[float((q @ p.T).max(1).values.mean()) for p in passages] for q in queries]) / 0.2
        )

    scores = score([vectors.cpu() for vectors in tiny_teacher.encode_query(SENTENCES)])
    expected = torch.zeros(())
    if "contrastive" in objective:
        expected = expected + loop(scores, positive, relevant)
    if "kl" in objective:
        expected = expected + kl_div(scores.log_softmax(1), score(english).softmax(1), reduction="batchmean")
    loss = RankingLoss(tiny_teacher, objective, temperature=0.2)
    value = loss(given)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
    value.backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in tiny_teacher.parameters())


def test_it_is_said_what_was_minimised(tiny_teacher: MultiVectorEncoder) -> None:
    loss = RankingLoss(tiny_teacher, "kl + contrastive", temperature=0.1)
    assert loss.get_config_dict() == {"terms": "contrastive + kl", "temperature": 0.1}
    assert "santhanam2022colbertv2" in loss.citation
    assert loss.own_parameters() == {}
    assert math.isclose(RankingLoss(tiny_teacher, "kl").temperature, 0.05)


@pytest.mark.parametrize("formula", ["", "optical", "kl + kl", "contrastive + optical", "0.5*kl"])
def test_other_objectives_are_refused(formula: str, tiny_teacher: MultiVectorEncoder) -> None:
    with pytest.raises(OpticalError, match=r"no objective .* of supervision\. Choose contrastive, kl or"):
        RankingLoss(tiny_teacher, formula)
