"""The figures on held-back pairs, for students of which they are known."""

import logging

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.distillation.development import DevelopmentEvaluator
from optical.errors import OpticalError

from .toy import make_pairs

Vectors = dict[str, tuple[torch.Tensor, torch.Tensor]]

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


def teacher_vectors(encoder: MultiVectorEncoder) -> Vectors:
    """Look like :class:`TeacherVectors`, without its rounding to half precision."""
    vectors = encoder.encode_query(ENGLISH)
    return {
        each: (own, torch.zeros(len(own), dtype=torch.bool))
        for each, own in zip(ENGLISH, vectors, strict=True)
    }


def test_the_teacher_is_a_perfect_student(
    tiny_teacher: MultiVectorEncoder, logged: pytest.LogCaptureFixture
) -> None:
    evaluator = DevelopmentEvaluator(ENGLISH, ENGLISH, teacher_vectors(tiny_teacher))
    figures = evaluator(tiny_teacher)
    assert evaluator.primary_metric == "teacher_overlap"
    assert figures["teacher_overlap"] == figures["translation_mrr"] == 1
    assert figures["transport_cost"] == pytest.approx(0, abs=0.01)
    assert figures["row_violation"] < 0.01
    assert figures["language_probe"] == 0.5
    assert not logged.records


def test_mean_reciprocal_rank_of_pairs_that_do_not_belong_together(tiny_teacher: MultiVectorEncoder) -> None:
    vectors = tiny_teacher.encode_query(ENGLISH)
    english = [*ENGLISH[1:], ENGLISH[0]]
    shifted = DevelopmentEvaluator(ENGLISH, english, teacher_vectors(tiny_teacher))(tiny_teacher)
    scores = torch.tensor([[(q @ d.T).max(1).values.sum() for d in vectors] for q in vectors])
    expected = []
    for query in range(30):
        right = (query + 1) % 30
        rank = 1 + sum(float(scores[query, other] > scores[query, right]) for other in range(30))
        expected.append(1 / rank)
    # The target of query i stands at place i of the shifted vectors, which are those of sentence i + 1.
    assert shifted["translation_mrr"] == pytest.approx(sum(expected) / 30, abs=1e-6)
    assert shifted["translation_mrr"] < 0.5


@pytest.mark.parametrize(
    ("english", "others", "depth"),
    [
        ([*ENGLISH[1:], ENGLISH[0]], [], 10),
        ([*ENGLISH[1:6], *ENGLISH[1:6]], ENGLISH, 10),
        ([*ENGLISH[1:8], ENGLISH[0]], [], 4),
        (ENGLISH[1:4], [], 1),
        ([ENGLISH[1], ENGLISH[1]], [], 1),
    ],
)
def test_overlap_of_two_rankings_counted_one_by_one(
    english: list[str], others: list[str], depth: int, tiny_teacher: MultiVectorEncoder
) -> None:
    vectors = teacher_vectors(tiny_teacher)
    foreign = ENGLISH[: len(english)]
    figures = DevelopmentEvaluator(foreign, english, vectors, others=others)(tiny_teacher)
    pool = list(dict.fromkeys([*english, *others]))

    def first(sentence: str, count: int) -> set[str]:
        def score(other: str) -> float:
            return float((vectors[sentence][0] @ vectors[other][0].T).max(1).values.sum())

        return set(sorted(pool, key=score, reverse=True)[:count])

    overlaps = [
        len(first(query, count) & first(translation, count)) / count
        for query, translation in zip(foreign, english, strict=True)
        for count in range(1, depth + 1)
    ]
    assert figures["teacher_overlap"] == pytest.approx(sum(overlaps) / len(overlaps), abs=1e-6)


def test_a_collapsed_student_is_noticed_and_not_rewarded(
    tiny_teacher: MultiVectorEncoder, logged: pytest.LogCaptureFixture
) -> None:
    vectors = teacher_vectors(tiny_teacher)
    figures = DevelopmentEvaluator(ENGLISH, ENGLISH, vectors)(collapse(tiny_teacher))
    assert figures["mean_token"] == pytest.approx(1, abs=1e-5)
    assert figures["language_probe"] > 0.9  # one point is easily told from the teacher's many
    # It ranks the English sentences alike for every query: each rank is taken once.
    assert figures["translation_mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 31)) / 30, abs=1e-6)
    # One ranking for all: 0.18 by chance, and more where the teacher ranks some sentences high for many.
    assert figures["teacher_overlap"] < 0.3
    collapsing, blurred = (record.getMessage() for record in logged.records)
    assert "collapsing" in collapsing
    assert "learning rates" in collapsing
    assert "blurred" in blurred


def test_ties_count_against_the_student(tiny_teacher: MultiVectorEncoder) -> None:
    collapsed = collapse(tiny_teacher)
    figures = DevelopmentEvaluator(ENGLISH, ENGLISH, teacher_vectors(collapsed))(collapsed)
    assert figures["translation_mrr"] == pytest.approx(1 / 30)
    assert figures["teacher_overlap"] == 0


def test_plan_entropy_of_a_collapsed_student_is_that_of_the_uniform_plan(
    tiny_teacher: MultiVectorEncoder,
) -> None:
    vectors = tiny_teacher.encode_query(ENGLISH)
    evaluator = DevelopmentEvaluator(ENGLISH, ENGLISH, teacher_vectors(tiny_teacher))
    figures = evaluator(collapse(tiny_teacher))
    # Equal student tokens cannot be told apart: each takes from all teacher tokens alike.
    token_count = sum(len(each) for each in vectors)
    expected = sum(len(each) * torch.log(torch.tensor(float(len(each)))) for each in vectors) / token_count
    assert figures["plan_entropy"] == pytest.approx(float(expected), abs=1e-3)


def test_other_sentences_make_the_search_harder(tiny_teacher: MultiVectorEncoder) -> None:
    vectors = teacher_vectors(tiny_teacher)
    wrong = {"foreign": ENGLISH[:5], "english": ENGLISH[5:10]}
    alone = DevelopmentEvaluator(wrong["foreign"], wrong["english"], vectors)(tiny_teacher)
    among = DevelopmentEvaluator(wrong["foreign"], wrong["english"], vectors, others=ENGLISH)(tiny_teacher)
    assert among["translation_mrr"] < alone["translation_mrr"]
    # Each foreign sentence stands itself among the others and comes first.
    assert among["translation_mrr"] <= 0.5


def test_a_diverged_student_is_refused(tiny_teacher: MultiVectorEncoder) -> None:
    evaluator = DevelopmentEvaluator(ENGLISH, ENGLISH, teacher_vectors(tiny_teacher))
    with torch.no_grad():
        tiny_teacher[0].auto_model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(OpticalError, match=r"diverged.*Lower the learning rates"):
        evaluator(tiny_teacher)
