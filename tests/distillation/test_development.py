"""The figures on held-back pairs, for students of which they are known."""

import logging

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.distillation.development import DevelopmentEvaluator

from .toy import make_pairs

ENGLISH = [english for english, _ in make_pairs(30)]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="optical")
    return caplog


def collapse(encoder: MultiVectorEncoder) -> MultiVectorEncoder:
    """Make all token vectors equal: the last layer norm puts out its bias, whatever comes in."""
    norm = encoder[0].auto_model.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        norm.weight.zero_()
        norm.bias.copy_(torch.linspace(-1, 1, len(norm.bias)))
    return encoder


def test_the_teacher_is_a_perfect_student(
    tiny_teacher: MultiVectorEncoder, logged: pytest.LogCaptureFixture
) -> None:
    evaluator = DevelopmentEvaluator(ENGLISH, tiny_teacher.encode_query(ENGLISH))
    figures = evaluator(tiny_teacher)
    assert figures[evaluator.primary_metric] == figures["translation_mrr"] == 1
    assert figures["transport_cost"] == pytest.approx(0, abs=0.01)
    assert figures["row_violation"] < 0.01
    assert not logged.records


def test_mean_reciprocal_rank_of_pairs_that_do_not_belong_together(tiny_teacher: MultiVectorEncoder) -> None:
    vectors = tiny_teacher.encode_query(ENGLISH)
    shifted = DevelopmentEvaluator(ENGLISH, [*vectors[1:], vectors[0]])(tiny_teacher)
    scores = torch.tensor([[(q @ d.T).max(1).values.sum() for d in vectors] for q in vectors])
    expected = []
    for query in range(30):
        right = (query + 1) % 30
        rank = 1 + sum(float(scores[query, other] > scores[query, right]) for other in range(30))
        expected.append(1 / rank)
    # The target of query i stands at place i of the shifted vectors, which are those of sentence i + 1.
    assert shifted["translation_mrr"] == pytest.approx(sum(expected) / 30, abs=1e-6)
    assert shifted["translation_mrr"] < 0.5


def test_a_collapsed_student_is_noticed_and_not_rewarded(
    tiny_teacher: MultiVectorEncoder, logged: pytest.LogCaptureFixture
) -> None:
    vectors = tiny_teacher.encode_query(ENGLISH)
    figures = DevelopmentEvaluator(ENGLISH, vectors)(collapse(tiny_teacher))
    assert figures["mean_token"] == pytest.approx(1, abs=1e-5)
    # It ranks the English sentences alike for every query: each rank is taken once.
    assert figures["translation_mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 31)) / 30, abs=1e-6)
    (record,) = logged.records
    assert "collapsing" in record.getMessage()
    assert "learning rates" in record.getMessage()


def test_ties_count_against_the_student(tiny_teacher: MultiVectorEncoder) -> None:
    collapsed = collapse(tiny_teacher)
    figures = DevelopmentEvaluator(ENGLISH, collapsed.encode_query(ENGLISH))(collapsed)
    assert figures["translation_mrr"] == pytest.approx(1 / 30)


def test_plan_entropy_of_a_collapsed_student_is_that_of_the_uniform_plan(
    tiny_teacher: MultiVectorEncoder,
) -> None:
    vectors = tiny_teacher.encode_query(ENGLISH)
    figures = DevelopmentEvaluator(ENGLISH, vectors)(collapse(tiny_teacher))
    # Equal student tokens cannot be told apart: each takes from all teacher tokens alike.
    token_count = sum(len(each) for each in vectors)
    expected = sum(len(each) * torch.log(torch.tensor(float(len(each)))) for each in vectors) / token_count
    assert figures["plan_entropy"] == pytest.approx(float(expected), abs=1e-3)
