"""Whole runs on the toy language, small enough for seconds."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.util import maxsim
from transformers import TrainerState

from optical.distillation import distill, graft
from optical.distillation.progress import TrainingProgress
from optical.encoders import (
    find_query_translations,
    fingerprint,
    load_encoder,
    load_query_translations,
    read_provenance,
)
from optical.errors import OpticalError
from optical.supervision import supervise

from ..distillation.toy import make_pairs
from .collection import Collection, write_lines

SMALL: dict[str, Any] = {"batch_size": 16, "held_back": 30, "evaluations": 2}
TRAINED = {**SMALL, "steps": 60, "embedding_learning_rate": 1e-2, "learning_rate": 1e-3}


def mean_reciprocal_rank(student: MultiVectorEncoder) -> float:
    """Return that of queries, and among passages, of which none was in the collection."""
    english, foreign = map(list, zip(*make_pairs(60, seed=99), strict=True))
    scores = maxsim(student.encode_query(foreign), student.encode_document(english))
    return float((1 / (scores >= scores.diagonal().unsqueeze(1)).sum(1)).mean())


@pytest.mark.parametrize("objective", ["contrastive", "kl", "contrastive + kl"])
def test_supervision_teaches_to_find_passages_never_seen(
    objective: str, teacher_folder: Path, collection: Collection, tmp_path: Path
) -> None:
    output = tmp_path / "made" / "student"
    graft(teacher_folder, collection.bitext, tmp_path / "graft")
    more = {"translations": collection.translations} if "kl" in objective else {}
    returned = supervise(
        teacher_folder,
        *collection.needed,
        output,
        student=str(tmp_path / "graft"),
        negatives=collection.negatives,
        objective=objective,
        **TRAINED,
        **more,
    )
    assert [each.name for each in output.parent.iterdir()] == ["student"]
    tables = [load_query_translations(each) for each in (output, tmp_path / "graft")]
    assert tables[0].terms(make_pairs(1)[0][1]) == tables[1].terms(make_pairs(1)[0][1])
    student, teacher = MultiVectorEncoder(str(output)), MultiVectorEncoder(str(teacher_folder))
    before, after = (
        mean_reciprocal_rank(MultiVectorEncoder(str(tmp_path / "graft"))),
        mean_reciprocal_rank(student),
    )
    assert after > before + 0.05

    query = make_pairs(1)[0][1]
    assert torch.allclose(returned.encode_query(query), student.encode_query(query), atol=1e-5)
    passages = ["the river is big", "maize and rice in the market of nairobi"]
    for own, theirs in zip(student.encode_document(passages), teacher.encode_document(passages), strict=True):
        assert torch.equal(own, theirs)
    assert fingerprint(student) == fingerprint(teacher)

    made = read_provenance(output)
    assert made["teacher"] == {"name": str(teacher_folder), "fingerprint": fingerprint(teacher)}
    judged = made["judged_queries"]
    assert (judged["queries"], judged["passages"], judged["judgements"]) == (150, 150, 150)
    assert judged["negatives"] in range(440, 451)
    assert judged["translations"] == ("kl" in objective)
    assert made["training_queries"] == 120
    assert made["settings"].items() >= {**TRAINED, "objective": objective, "temperature": 0.05}.items()
    assert made["student"]["kind"] == str(tmp_path / "graft")
    assert made["best_step"] in (30, 60)
    assert made["development_after"]["mrr_10"] > made["development_before"]["mrr_10"]
    card = (output / "README.md").read_text(encoding="utf-8")
    for said in ("RankingLoss", "oord2018representation", made["teacher"]["fingerprint"], "mrr_10"):
        assert said in card


@pytest.mark.parametrize(
    "student", ["graft", "transplant", "graft:checkpoint", "transplant:checkpoint", "checkpoint", "distilled"]
)
def test_every_kind_of_student(
    student: str, teacher_folder: Path, bert_folder: Path, collection: Collection, tmp_path: Path
) -> None:
    kind = student.replace("checkpoint", str(bert_folder)).replace("distilled", str(tmp_path / "distilled"))
    if student == "distilled":
        distill(
            teacher_folder, collection.bitext, tmp_path / "distilled", steps=2, batch_size=16, held_back=8
        )
    bitext = [collection.bitext] if student.startswith(("graft", "transplant")) else []
    supervise(
        teacher_folder,
        *collection.needed,
        tmp_path / "student",
        student=kind,
        bitext=bitext,
        steps=8,
        **{**SMALL, "embedding_learning_rate": 1e-2},
    )
    made = read_provenance(tmp_path / "student")
    assert made["student"]["kind"] == kind
    assert ("tokens" in made["student"]) == (student != "checkpoint")
    assert made["bitext"]["pairs"] == (60 if bitext else 0)
    encoder, teacher = load_encoder(tmp_path / "student"), load_encoder(teacher_folder)
    vectors = encoder.encode_query(make_pairs(1)[0][1])
    assert vectors.shape[1] == 16
    # A checkpoint has no weights of terms; one that has any keeps them.
    assert (float(vectors.norm(dim=1).min()) < 0.1) == (student != "checkpoint")
    assert fingerprint(encoder) == fingerprint(teacher)


def test_an_encoder_in_the_cache_of_a_machine_offline_can_be_trained(
    teacher_folder: Path,
    bert_folder: Path,
    collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    cached, revision = tmp_path / "cache" / "models--me--bert", "0" * 40
    shutil.copytree(bert_folder, cached / "snapshots" / revision)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(revision)
    with caplog.at_level(logging.WARNING, logger="optical"):
        supervise(
            teacher_folder, *collection.needed, tmp_path / "student", student="me/bert", steps=4, **SMALL
        )
    assert "The new student will have no translations for hybrid searches." in caplog.text
    assert find_query_translations(tmp_path / "student") is None


class StoppedError(Exception):
    pass


def test_a_stopped_run_goes_on_to_the_same_student(
    teacher_folder: Path, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, work = tmp_path / "student", tmp_path / "student.partial"
    more: dict[str, Any] = {
        **{**TRAINED, "steps": 24, "evaluations": 4},
        "bitext": [collection.bitext],
        "negatives": collection.negatives,
        "translations": collection.translations,
        "objective": "contrastive + kl",
    }
    straight = supervise(teacher_folder, *collection.needed, tmp_path / "straight", **more)

    def stop(self: TrainingProgress, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if state.global_step == 15:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_step_end", stop)
        with pytest.raises(StoppedError):
            supervise(teacher_folder, *collection.needed, output, **more)
    kept = sorted(work.rglob("*"))
    assert any(each.name == "checkpoint-12" for each in kept)
    for changed in ({"seed": 1}, {"temperature": 0.1}, {"negatives": None}):
        with pytest.raises(OpticalError, match=f"{work} holds something else, or an unfinished run"):
            supervise(teacher_folder, *collection.needed, output, **{**more, **changed})
    assert sorted(work.rglob("*")) == kept

    torch.rand(7)  # what else the process does with random numbers makes no difference
    resumed = supervise(teacher_folder, *collection.needed, output, **more)
    assert not work.exists()
    made, expected = read_provenance(output), read_provenance(tmp_path / "straight")
    assert made["best_step"] == expected["best_step"] > 0
    assert made["development_after"] == expected["development_after"]
    for name, weight in straight.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_training_that_hurts_gives_the_untrained_student(
    teacher_folder: Path, collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="optical")
    ruinous = {**SMALL, "steps": 4, "embedding_learning_rate": 5.0, "learning_rate": 5.0}
    graft(teacher_folder, collection.bitext, tmp_path / "graft")
    returned = supervise(
        teacher_folder, *collection.needed, tmp_path / "student", student=str(tmp_path / "graft"), **ruinous
    )
    made = read_provenance(tmp_path / "student")
    assert made["best_step"] == 0
    assert made["development_after"] == made["development_before"]
    assert any("made the student worse" in record.getMessage() for record in caplog.records)
    query = make_pairs(1)[0][1]
    assert torch.allclose(returned.encode_query(query), load_encoder(tmp_path / "graft").encode_query(query))


def test_a_cache_outlives_the_run(teacher_folder: Path, collection: Collection, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    made = {}
    for output, objective in (("first", "kl"), ("second", "contrastive + kl")):
        more = {"bitext": [collection.bitext], "translations": collection.translations, "cache": cache}
        supervise(
            teacher_folder,
            *collection.needed,
            tmp_path / output,
            objective=objective,
            steps=1,
            **SMALL,
            **more,
        )
        made[output] = {file: file.stat().st_mtime_ns for file in cache.rglob("*.f16")}
    assert len(made["first"]) == 2
    assert made["second"] == made["first"]
    assert len(list(cache.glob("student-*/"))) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bitext": []}, "The student graft is made from bitext, and none is given"),
        (
            {"student": "graft:somewhere", "bitext": []},
            "The student graft:somewhere is made from bitext, and none is given",
        ),
        ({"student": "{teacher}"}, "is there already and needs no bitext"),
        ({"objective": "kl"}, "no translations are given"),
        ({"translations": "english.tsv"}, "does not look at translations"),
        ({"objective": "optical"}, "no objective 'optical' of supervision"),
        ({"steps": 0}, "steps is 0"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"hard_negatives": 0}, "hard_negatives is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"batch_size": 121}, "Only 120 queries are left to train on, fewer than the 121 of one step"),
        ({"queries": "few.tsv"}, "Only 9 queries have a relevant passage, too few"),
    ],
)
def test_refusals_leave_nothing(
    settings: dict[str, Any], says: str, teacher_folder: Path, collection: Collection, tmp_path: Path
) -> None:
    write_lines(tmp_path / "few.tsv", *(f"q{number}\tbado" for number in range(9)))
    given: dict[str, Any] = {
        **{
            "queries": collection.queries,
            "passages": collection.passages,
            "judgements": collection.judgements,
        },
        **{**SMALL, "bitext": [collection.bitext], **settings},
    }
    for name in ("queries", "translations"):
        if name in given:
            given[name] = tmp_path / given[name]
    if "student" in given:
        given["student"] = given["student"].format(teacher=teacher_folder)
    with pytest.raises(OpticalError, match=says):
        supervise(teacher_folder, output=tmp_path / "made" / "student", **given)
    assert list(tmp_path.glob("made/*")) == []


def test_student_of_another_dimension_is_refused(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, collection: Collection, tmp_path: Path
) -> None:
    with torch.no_grad():
        narrow = tiny_teacher[1]
        narrow.linear = torch.nn.Linear(32, 8, bias=False)
        narrow.out_features = 8
    tiny_teacher.save_pretrained(str(tmp_path / "narrow"))
    with pytest.raises(OpticalError, match=r"narrow makes vectors of 8 dimensions, the\s+teacher of 16"):
        supervise(
            teacher_folder,
            *collection.needed,
            tmp_path / "made" / "student",
            student=str(tmp_path / "narrow"),
            **SMALL,
        )
    assert list(tmp_path.glob("made/*")) == []


def test_output_that_exists_is_refused_and_kept(
    teacher_folder: Path, collection: Collection, tmp_path: Path
) -> None:
    write_lines(tmp_path / "student", "years of work")
    with pytest.raises(OpticalError, match="student exists already"):
        supervise(teacher_folder, *collection.needed, tmp_path / "student")
    assert (tmp_path / "student").read_text() == "years of work\n"
