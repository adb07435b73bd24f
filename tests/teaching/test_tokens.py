import copy
import gzip
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch.nn.functional import normalize

from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.trainer import last_checkpoint
from optical.distillation.untrained import load_teacher
from optical.encoders import assemble, fingerprint, query_transformer, read_provenance
from optical.errors import OpticalError
from optical.objectives import TokenPairs
from optical.teaching import teach_tokens
from optical.teaching.texts import read_texts
from optical.teaching.token_loss import TokenCosineLoss, TokenEvaluator

from ..distillation.toy import make_pairs


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{english}\n" for english, _ in make_pairs(200)))
    return path


@pytest.fixture
def teacher_folder(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> Path:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    return tmp_path / "teacher"


_QUICK = {"steps": 60, "batch_size": 32, "layers": 1, "width": 32, "embedding_width": 16, "evaluations": 2}


def _cosine(encoder: MultiVectorEncoder, teacher: MultiVectorEncoder, sentence: str) -> float:
    return float((encoder.encode_query(sentence) * teacher.encode_document(sentence)).sum(-1).mean())


def test_the_student_comes_near_the_teacher_on_new_text(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, text: Path, tmp_path: Path
) -> None:
    teach_tokens(teacher_folder, text, tmp_path / "small", **_QUICK)
    loaded = MultiVectorEncoder(str(tmp_path / "small"))
    tiny_teacher.eval()
    unseen = [english for english, _ in make_pairs(30, seed=99)]
    cosines = [_cosine(loaded, tiny_teacher, sentence) for sentence in unseen]
    provenance = read_provenance(tmp_path / "small")
    assert sum(cosines) / len(cosines) > 0.8
    assert provenance["development_before"]["token_cosine"] < 0.3
    assert provenance["development_after"]["token_cosine"] > 0.8
    assert provenance["taught"]["by"] == str(teacher_folder)
    assert not (tmp_path / "small.partial").exists()


def test_what_was_taught_is_a_teacher(teacher_folder: Path, text: Path, tmp_path: Path) -> None:
    teach_tokens(teacher_folder, text, tmp_path / "small", **{**_QUICK, "steps": 2})
    assert load_teacher(str(tmp_path / "small"), 128).get_embedding_dimension() == 16


def test_a_teacher_without_projection_gets_one(bert_folder: Path, text: Path, tmp_path: Path) -> None:
    taught = teach_tokens(bert_folder, text, tmp_path / "small", dimension=8, **_QUICK)
    assert taught.get_embedding_dimension() == 8
    assert read_provenance(tmp_path / "small")["development_after"]["token_cosine"] > 0.7


def test_a_student_of_other_tokens(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, text: Path, tmp_path: Path
) -> None:
    tokenizer = tiny_teacher[0].tokenizer
    tokenizer.add_tokens(["kenyan"])
    tokenizer.backend_tokenizer.normalizer = None
    tiny_teacher.save_pretrained(str(tmp_path / "other"))
    with pytest.raises(OpticalError, match="splits text into other tokens"):
        teach_tokens(teacher_folder, text, tmp_path / "small", student=str(tmp_path / "other"), **_QUICK)
    assert not (tmp_path / "small").exists()
    assert not (tmp_path / "small.partial").exists()


@pytest.mark.parametrize("change", ["prompt", "limit"])
def test_a_student_that_reads_otherwise(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, text: Path, tmp_path: Path, change: str
) -> None:
    if change == "prompt":
        tiny_teacher.prompts["query"] = "ask "
        says = "The prompt before queries of the student .* is 'ask ', that of the teacher ''"
    else:
        tiny_teacher[0].max_seq_length = 8
        says = "The limit of tokens of the student .* is 8, that of the teacher 64"
    tiny_teacher.save_pretrained(str(tmp_path / "other"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TeacherVectors, "cached", _stop)
        with pytest.raises(OpticalError, match=says):
            teach_tokens(teacher_folder, text, tmp_path / "small", student=str(tmp_path / "other"), **_QUICK)


@pytest.mark.parametrize("change", ["router", "prompts", "skiplist"])
def test_a_teacher_of_two_sides(
    tiny_teacher: MultiVectorEncoder, text: Path, tmp_path: Path, change: str
) -> None:
    if change == "router":
        tiny_teacher = assemble(copy.deepcopy(tiny_teacher), tiny_teacher)
        says = "has other weights for queries than for passages"
    elif change == "prompts":
        tiny_teacher.prompts["document"] = "read "
        says = "puts '' before queries and 'read ' before passages"
    else:
        tiny_teacher[2] = MultiVectorMask(skiplist_words=["?", "the"])
        says = "leaves some words of passages out"
    tiny_teacher.save_pretrained(str(tmp_path / "two"))
    with pytest.raises(OpticalError, match=f"two {says}.*Choose a teacher whose two sides"):
        teach_tokens(tmp_path / "two", text, tmp_path / "small", **_QUICK)


def test_a_student_of_ones_own_learns_without_dropout(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, text: Path, tmp_path: Path
) -> None:
    assert query_transformer(tiny_teacher).auto_model.config.hidden_dropout_prob == 0.1
    settings = {**_QUICK, "steps": 1, "evaluations": 1}
    taught = teach_tokens(teacher_folder, text, tmp_path / "made", student=str(teacher_folder), **settings)
    features = taught.preprocess(["the river"], task="query")
    taught.train()
    first, second = (taught(dict(features), task="query")["token_embeddings"] for _ in range(2))
    assert torch.equal(first, second)


def test_a_run_that_was_stopped_goes_on(bert_folder: Path, text: Path, tmp_path: Path) -> None:
    """With a teacher that gets a projection, which on resuming must be the one that was begun with."""
    short = {**_QUICK, "steps": 6, "dimension": 8}
    whole = teach_tokens(bert_folder, text, tmp_path / "whole", **short)
    checkpoints = tmp_path / "stopped.partial" / "checkpoints"
    for place, last in (
        ("optical.distillation.trainer._RegularCheckpoints.on_save", 3),
        ("optical.distillation.run.save_artefact", 6),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, _stop)
            with pytest.raises(KeyboardInterrupt):
                teach_tokens(bert_folder, text, tmp_path / "stopped", **short)
        assert last_checkpoint(checkpoints) == str(checkpoints / f"checkpoint-{last}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optical.teaching.tokens.keep_most", _stop)
        again = teach_tokens(bert_folder, text, tmp_path / "stopped", **short)
    assert torch.allclose(whole.encode_query("the river"), again.encode_query("the river"), atol=1e-5)


def _stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_the_projection_is_the_same_whatever_the_seed(bert_folder: Path, text: Path, tmp_path: Path) -> None:
    prints = []
    for seed, held_back in ((0, 10), (1, 20)):
        settings = {
            **_QUICK,
            "steps": 1,
            "evaluations": 1,
            "seed": seed,
            "held_back": held_back,
            "dimension": 8,
        }
        teach_tokens(bert_folder, text, tmp_path / str(seed), **settings)
        prints.append(read_provenance(tmp_path / str(seed))["taught"]["fingerprint"])
    assert prints[0] == prints[1]


def test_figures_count_directions_only(tiny_teacher: MultiVectorEncoder) -> None:
    tiny_teacher.eval()
    texts = ["the river", "children drink water"]
    vectors = {
        each: (1.02 * torch.as_tensor(tiny_teacher.encode_query(each)), torch.empty(0)) for each in texts
    }
    figures = TokenEvaluator(texts, vectors)(tiny_teacher)
    assert figures["token_cosine"] == pytest.approx(1, abs=1e-5)


def test_a_teacher_in_bfloat16_is_named_by_what_was_loaded(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, text: Path, tmp_path: Path
) -> None:
    settings = {**_QUICK, "steps": 1, "evaluations": 1, "bfloat16": True}
    teach_tokens(teacher_folder, text, tmp_path / "made", **settings)
    assert read_provenance(tmp_path / "made")["taught"]["fingerprint"] == fingerprint(tiny_teacher)


def test_too_little_text(teacher_folder: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("one\ntwo\none\n")
    with pytest.raises(OpticalError, match="only 2 different lines"):
        teach_tokens(teacher_folder, short, tmp_path / "small")
    short.write_text("".join(f"line {number}\n" for number in range(12)))
    with pytest.raises(OpticalError, match="Only 11 texts are left to train on, fewer than the 32"):
        teach_tokens(teacher_folder, short, tmp_path / "small", **_QUICK)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"first line\n\x89PNG\xff\n")
    with pytest.raises(OpticalError, match=r"picture.png:2: not UTF-8 at byte 1. Give plain text"):
        read_texts([picture])


def test_texts_of_several_files_once_each(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(12)]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n\n")
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("line 3\nline 12\r\n")
    assert read_texts([tmp_path / "a.txt", tmp_path / "b.txt.gz"]) == [*lines, "line 12"]


def test_the_loss_is_the_mean_over_tokens_not_sentences(tiny_teacher: MultiVectorEncoder) -> None:
    torch.manual_seed(0)
    x, y = (normalize(torch.randn(3, 5, 16), dim=-1) for _ in range(2))
    mask = torch.arange(5) < torch.tensor([[5], [2], [1]])
    loss = TokenCosineLoss(tiny_teacher).compare(TokenPairs(x, y, mask, mask, ~mask, ~mask))
    expected = [1 - float(x[p, i] @ y[p, i]) for p in range(3) for i in range(5) if mask[p, i]]
    assert float(loss) == pytest.approx(sum(expected) / 8, abs=1e-6)
    # A teacher that computed in bfloat16 gives vectors of other lengths.
    again = TokenCosineLoss(tiny_teacher).compare(TokenPairs(1.01 * x, y, mask, mask, ~mask, ~mask))
    assert float(again) == pytest.approx(float(loss), abs=1e-6)
    with pytest.raises(OpticalError, match="same tokens"):
        TokenCosineLoss(tiny_teacher).compare(TokenPairs(x, y, mask, mask.flip(0), ~mask, ~mask))
