"""Passages longer than the encoder reads."""

import copy
import logging
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Router
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Index

READ = 64  # tokens of the tiny teacher, two of which are special


def text(words: int) -> str:
    return " ".join(["river"] * words)


def test_the_user_learns_which_passages_are_cut_off(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fits = Passage("fits", text(READ - 2))
    with Index.create(tmp_path / "index", tiny_teacher, [fits]) as index, caplog.at_level(logging.WARNING):
        assert index.info["token_vectors"] == READ
        assert not caplog.messages
        index.add([Passage("over", text(READ - 1)), Passage("longest", text(1500))], tiny_teacher)
        assert index.info["token_vectors"] == 3 * READ
    (message,) = caplog.messages
    assert message == (
        f"Of 2 passages the encoder reads the first {READ} tokens only, and what follows cannot be found; the longest, "
        "'longest', has 1,502. Split long texts into passages."
    )


def test_title_and_prompt_count(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Index.create(tmp_path / "plain", tiny_teacher, [Passage("p", text(READ - 2))]).close()
    assert not caplog.messages
    tiny_teacher.prompts["document"] = "river "
    Index.create(tmp_path / "prompted", tiny_teacher, [Passage("p", text(READ - 2))]).close()
    Index.create(tmp_path / "titled", tiny_teacher, [Passage("p", text(READ - 3), title="river")]).close()
    assert len(caplog.messages) == 2
    assert all("Of 1 passage the encoder" in message for message in caplog.messages)


def test_a_smaller_limit_of_passages_counts(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny_teacher[0].document_length = 10
    with Index.create(tmp_path / "index", tiny_teacher, [Passage("p", text(9))]) as index:
        assert index.info["token_vectors"] == 10
    assert "the first 10 tokens" in caplog.text


def test_tokens_that_get_no_vector_count(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transformer, projection, _, normalize = tiny_teacher.children()
    mask = MultiVectorMask(skiplist_words=["river"], skiplist_tasks=["document"])
    encoder = MultiVectorEncoder(modules=[transformer, projection, mask, normalize], device="cpu")
    with Index.create(tmp_path / "index", encoder, [Passage("p", text(70))]) as index:
        assert index.info["token_vectors"] == 2  # the special ones
    assert "has 72" in caplog.text


def test_an_artefact_reads_as_much_of_a_passage_as_its_teacher(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    student = copy.deepcopy(tiny_teacher)
    student[0].max_seq_length = 8
    router = Router.for_query_document(list(student.children()), list(tiny_teacher.children()))
    artefact = MultiVectorEncoder(modules=[router], device="cpu")
    Index.create(tmp_path / "short", artefact, [Passage("p", text(READ - 2))]).close()
    assert not caplog.messages
    Index.create(tmp_path / "long", artefact, [Passage("p", text(READ))]).close()
    assert f"the first {READ} tokens" in caplog.text


def test_what_was_stored_before_a_failure_is_told(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Index.create(tmp_path / "index", tiny_teacher, [Passage("p", text(1))]) as index:
        passages = [*(Passage(f"p{number}", text(READ)) for number in range(16)), Passage("empty", "")]
        with pytest.raises(OpticalError, match="'empty' is empty"):
            index.add(passages, tiny_teacher, batch_size=1)
        assert index.count == 1 + 16
    assert "Of 16 passages" in caplog.text
