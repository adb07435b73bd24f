"""Weights of a query's tokens, against their formula and by what they do to a ranking."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import MultiVectorEncoder
from torch.nn.functional import normalize

from optical.bitext import Bitext
from optical.encoders import (
    assemble,
    load_encoder,
    make_student,
    maxsim_scores,
    save_artefact,
)
from optical.encoders.initialisation import Initialisation, InitialisationReport
from optical.encoders.term_weights import term_weights

from .conftest import MakeTeacher

# Tokens 0 to 4 of a student; the teacher has 2 and 3, too, as 7 and 8.
OWN = [None, None, 7, 8, None]
FOREIGN = [[0, 2, 2], [0, 3], [0, 1, 3]]
ENGLISH = [[5, 7], [8, 6], [5]]


def initialisation(certainty: list[float], kept: list[bool]) -> Initialisation:
    report = InitialisationReport(0, 0, 0, 0)
    return Initialisation(torch.zeros(len(kept), 2), torch.tensor(certainty), torch.tensor(kept), report)


def rarity(count: int, sentences: int) -> float:
    return math.log((sentences + 1) / (count + 0.5)) / math.log(2 * (sentences + 1))


def test_the_weights_are_those_of_the_formula() -> None:
    made = initialisation([0.5, 0.9, 0, 0, 0.25], [False, False, True, True, False])
    weights = term_weights(FOREIGN, ENGLISH, OWN, made, everywhere=[])
    # Token 2 stands in one sentence, and 7 beside it; token 3 in two, and 8 beside it in one of them.
    usual = (1 / 1 + 1 / 2) / 2
    expected = [
        rarity(3, 3) * 0.5,
        rarity(1, 3) * 0.9,
        rarity(1, 3) * (1 + usual) / 2,
        rarity(2, 3) * (1 + usual) / 3,
        rarity(0, 3) * 0.25,
    ]
    torch.testing.assert_close(weights, torch.tensor(expected), atol=6e-5, rtol=0)
    everywhere = term_weights(FOREIGN, ENGLISH, OWN, made, everywhere=[1, 2])
    expected[1:3] = [rarity(3, 3) * 0.9, rarity(3, 3) * (1 + usual) / 2]
    torch.testing.assert_close(everywhere, torch.tensor(expected), atol=6e-5, rtol=0)


def test_a_token_that_the_table_did_not_see_is_as_sure_as_the_others() -> None:
    made = initialisation([0.5, 0.9, 0, 0, 0], [False, False, True, True, False])
    foreign = [*FOREIGN, [4]]
    weights = term_weights(foreign, [*ENGLISH, [6]], OWN, made, everywhere=[])
    assert float(weights[4]) == pytest.approx(rarity(1, 4) * 0.7, abs=6e-5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 4)), st.lists(st.integers(5, 8))), max_size=6), st.data())
def test_weights_are_positive_and_at_most_1(
    pairs: list[tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    certainty = data.draw(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5))
    made = initialisation(
        certainty, [False, False, *data.draw(st.tuples(st.booleans(), st.booleans())), False]
    )
    foreign, english = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    weights = term_weights(foreign, english, OWN, made, everywhere=data.draw(st.sets(st.integers(0, 4))))
    assert bool((weights >= 1e-3).all())
    assert bool((weights <= 1).all())


@pytest.mark.parametrize("kind", ["graft", "transplant"])
def test_weights_stretch_the_vectors_of_a_student(
    kind: str, make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path
) -> None:
    teacher = make_teacher()
    plain = make_student(kind, teacher, bitext, weighted=False).encoder.eval()
    weighted = make_student(kind, teacher, bitext).encoder.eval()
    save_artefact(assemble(weighted, teacher), tmp_path, {})
    for encoder in (weighted, load_encoder(tmp_path)):
        for unit, stretched in zip(encoded(plain, bitext), encoded(encoder, bitext), strict=True):
            torch.testing.assert_close(normalize(stretched), unit, atol=1e-5, rtol=0)
            lengths = stretched.norm(dim=1)
            assert float(lengths.max()) <= 1 + 1e-5
            # The marks at both ends stand in every query.
            assert max(lengths[0], lengths[-1]) < 0.05 < lengths[1:-1].max()


def test_a_student_of_a_weighted_one_has_its_weights_only_if_asked(
    make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path
) -> None:
    teacher = make_teacher()
    save_artefact(assemble(make_student("graft", teacher, bitext).encoder, teacher), tmp_path, {})
    for kind in (f"graft:{tmp_path}", str(tmp_path)):
        without = make_student(kind, teacher, bitext, weighted=False).encoder.eval()
        for vectors in encoded(without, bitext):
            torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5, rtol=0)
    kept = make_student(str(tmp_path), teacher, bitext).encoder.eval()
    assert min(float(vectors.norm(dim=1).min()) for vectors in encoded(kept, bitext)) < 0.1


def test_a_score_is_the_sum_of_weight_times_best_similarity(
    make_teacher: MakeTeacher, bitext: Bitext
) -> None:
    teacher = make_teacher()
    plain = make_student("graft", teacher, bitext, weighted=False).encoder.eval()
    weighted = make_student("graft", teacher, bitext).encoder.eval()
    passages = teacher.encode_document(bitext.english[:8])
    (unit,), (stretched,) = (encoder.encode_query(bitext.foreign[:1]) for encoder in (plain, weighted))
    weights = stretched.norm(dim=1)
    expected = [
        sum(float(w * (torch.as_tensor(p) @ y).max()) for w, y in zip(weights, unit, strict=True))
        for p in passages
    ]
    scores = maxsim_scores([stretched], [torch.as_tensor(p) for p in passages])
    torch.testing.assert_close(scores[0], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def encoded(encoder: MultiVectorEncoder, bitext: Bitext) -> list[torch.Tensor]:
    return list(encoder.encode_query(bitext.foreign[:5]))
