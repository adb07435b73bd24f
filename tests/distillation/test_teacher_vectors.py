"""The teacher's vectors on disk against those that it makes itself."""

from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.distillation import teacher_vectors
from optical.distillation.teacher_vectors import TeacherVectors

SENTENCES = [
    "where is the river",
    "water",
    "the old farmer sells rice and maize in the market",
    "zebra quilt",
]


def assert_agrees(vectors: TeacherVectors, teacher: MultiVectorEncoder) -> None:
    for sentence in SENTENCES:
        expected = teacher.encode_query(sentence)
        found, special = vectors[sentence]
        assert found.dtype == torch.float32
        assert found.shape == expected.shape
        assert special.shape == (len(expected),)
        assert vectors.length(sentence) == len(expected)
        # float16 keeps 11 bits; unit-norm vectors are within [-1, 1].
        assert torch.allclose(found, expected, rtol=0, atol=2**-11)


def test_vectors_are_those_of_encode_query_also_when_opened_again(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    opened = TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path)
    assert_agrees(opened, tiny_teacher)
    [folder] = (path for path in tmp_path.iterdir() if path.is_dir())
    again = TeacherVectors(folder, SENTENCES)
    for sentence in SENTENCES:
        assert torch.equal(opened[sentence][0], again[sentence][0])
        assert torch.equal(opened[sentence][1], again[sentence][1])


def test_first_and_last_token_are_special(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    vectors = TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path)
    for sentence in SENTENCES:
        _, special = vectors[sentence]
        assert special.tolist() == [True] + [False] * (len(special) - 2) + [True]


def test_an_unknown_word_is_text_like_any_other(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    sentence = "the ሰላም of water"
    assert tiny_teacher.tokenizer.tokenize(sentence) == ["the", "[UNK]", "of", "water"]
    _, special = TeacherVectors.cached(tiny_teacher, [sentence], tmp_path)[sentence]
    assert special.tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize("token", ["[MASK]", "."])
@pytest.mark.parametrize("attend", [False, True])
def test_query_expansion_tokens_are_special(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, attend: bool, token: str
) -> None:
    tiny_teacher[0].query_expansion = {"strategy": "fixed", "length": 20, "attend": attend, "token": token}
    vectors = TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path)
    assert_agrees(vectors, tiny_teacher)
    for sentence in SENTENCES:
        words = len(tiny_teacher.tokenizer.tokenize(sentence))
        _, special = vectors[sentence]
        assert special.tolist() == [True] + [False] * words + [True] * (20 - 1 - words)


def test_repeated_sentences_are_stored_once(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    once = TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path)
    again = TeacherVectors.cached(tiny_teacher, [*SENTENCES, *reversed(SENTENCES)], tmp_path)
    assert len(list(tmp_path.glob("teacher-vectors-*/vectors.f16"))) == 1
    for sentence in SENTENCES:
        assert torch.equal(once[sentence][0], again[sentence][0])


def test_cache_serves_the_same_teacher_and_sentences_only(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path)
    (file,) = tmp_path.glob("*/vectors.f16")
    written = file.stat().st_mtime_ns
    TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path)
    assert file.stat().st_mtime_ns == written
    assert_agrees(TeacherVectors.cached(tiny_teacher, SENTENCES[::-1], tmp_path), tiny_teacher)
    with torch.no_grad():
        tiny_teacher[1].linear.weight.neg_()
    assert_agrees(TeacherVectors.cached(tiny_teacher, SENTENCES, tmp_path), tiny_teacher)
    assert len(list(tmp_path.glob("*/vectors.f16"))) == 3


def test_nothing_stays_of_a_failed_computation(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher_vectors, "_CHUNK", 2)
    unreadable: list[str] = ["water", "river", 5]  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Unsupported input"):
        TeacherVectors.cached(tiny_teacher, unreadable, tmp_path / "vectors")
    assert [file.suffix for file in (tmp_path / "vectors").iterdir()] == [".lock"]


def test_a_cache_tells_apart_teachers_that_differ_in_their_queries_only(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    sentences = ["the river is big", "who is the teacher"]
    plain = TeacherVectors.cached(tiny_teacher, sentences, tmp_path)
    tiny_teacher.prompts["query"] = "where is "
    prompted = TeacherVectors.cached(tiny_teacher, sentences, tmp_path)
    assert prompted.length(sentences[0]) == plain.length(sentences[0]) + 2
