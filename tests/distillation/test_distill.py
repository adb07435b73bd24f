"""Whole distillations of the toy language, small enough to run in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import ot
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import QueryTranslations, read_bitext
from optical.distillation import distill, graft
from optical.encoders import fingerprint, load_encoder, load_query_translations, read_provenance
from optical.errors import OpticalError

from .toy import make_pairs, write_bitext

SMALL: dict[str, Any] = {"batch_size": 16, "held_back": 40, "evaluations": 2}
TRAINED = {**SMALL, "steps": 60, "embedding_learning_rate": 3e-3, "learning_rate": 1e-3}
PASSAGES = ["the river is big", "maize and rice in the market of nairobi"]


def mean_reciprocal_rank(queries: list[np.ndarray], targets: list[np.ndarray]) -> float:
    scores = [[(query @ target.T).max(1).sum() for target in targets] for query in queries]
    return float(np.mean([1 / (np.asarray(row) >= row[place]).sum() for place, row in enumerate(scores)]))


def transport_cost(queries: list[np.ndarray], targets: list[np.ndarray]) -> float:
    queries = [query / np.linalg.norm(query, axis=1, keepdims=True) for query in queries]
    return float(
        np.mean(
            [ot.emd2([], [], 1 - target @ query.T) for query, target in zip(queries, targets, strict=True)]
        )
    )


def on_new_sentences(student: MultiVectorEncoder, teacher: MultiVectorEncoder) -> tuple[float, float]:
    """Return MRR and transport cost on sentences of which none was in the bitext."""
    english, foreign = map(list, zip(*make_pairs(60, seed=99), strict=True))
    queries = [each.astype(float) for each in student.encode_query(foreign, convert_to_numpy=True)]
    targets = [each.astype(float) for each in teacher.encode_query(english, convert_to_numpy=True)]
    return mean_reciprocal_rank(queries, targets), transport_cost(queries, targets)


def assert_translates_as(bitext: Path, student: Path) -> None:
    found, expected = load_query_translations(student), QueryTranslations.estimate(read_bitext([bitext]))
    for _, query in make_pairs(20, seed=99):
        for one, other in zip(found.terms(query), expected.terms(query), strict=True):
            assert one == pytest.approx(other, rel=1e-3)


def test_distilled_student(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    output = tmp_path / "made" / "student"
    returned = distill(teacher_folder, bitext, output, **TRAINED, seed=3)
    assert [each.name for each in output.parent.iterdir()] == ["student"]
    assert_translates_as(bitext, output)

    student, teacher = MultiVectorEncoder(str(output)), MultiVectorEncoder(str(teacher_folder))
    untrained = graft(teacher_folder, bitext, tmp_path / "graft")
    before, after = on_new_sentences(untrained, teacher), on_new_sentences(student, teacher)
    assert after[0] > before[0] + 0.03
    assert after[1] < 0.8 * before[1]

    query = make_pairs(1)[0][1]
    assert torch.allclose(returned.encode_query(query), student.encode_query(query), atol=1e-5)
    for own, theirs in zip(student.encode_document(PASSAGES), teacher.encode_document(PASSAGES), strict=True):
        assert torch.allclose(own, theirs, atol=1e-5)
    assert fingerprint(student) == fingerprint(teacher)

    made = read_provenance(output)
    assert {"optical", "torch", "sentence-transformers", "transformers", "python"} <= set(made["versions"])
    assert made["teacher"] == {"name": str(teacher_folder), "fingerprint": fingerprint(teacher)}
    assert made["bitext"] == {"digest": read_bitext([bitext]).digest(), "pairs": 300, "dropped": {}}
    expected = {**TRAINED, "seed": 3, "student": "graft", "objective": "optical + mean-pool"}
    assert made["settings"].items() >= expected.items()
    assert (
        made["objective"]["optical"].items()
        >= {"special_tokens": "transport", "eps": 0.01, "marginals": "uniform"}.items()
    )
    assert made["student"]["kind"] == "graft"
    assert made["training_pairs"] == 260
    assert made["processes"] == 1
    assert made["best_step"] in (30, 60)
    assert made["development_after"]["teacher_overlap"] > made["development_before"]["teacher_overlap"]
    assert made["development_after"]["translation_mrr"] > made["development_before"]["translation_mrr"]
    assert made["development_after"]["transport_cost"] < made["development_before"]["transport_cost"]
    card = (output / "README.md").read_text(encoding="utf-8")
    for said in (
        "optical + mean-pool",
        "huang2023improving",
        "reimers2020making",
        made["teacher"]["fingerprint"],
        "mean_token",
    ):
        assert said in card


@pytest.mark.parametrize("student", ["graft", "transplant", "checkpoint"])
def test_every_kind_of_student(
    student: str, teacher_folder: Path, bert_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    kind = str(bert_folder) if student == "checkpoint" else student
    settings = {**SMALL, "steps": 30, "embedding_learning_rate": 1e-2, "learning_rate": 1e-3}
    distill(teacher_folder, bitext, tmp_path / "student", **settings, student=kind)
    made = read_provenance(tmp_path / "student")
    assert made["student"]["kind"] == kind
    if student != "checkpoint":
        assert (
            made["development_after"]["transport_cost"] < 0.9 * made["development_before"]["transport_cost"]
        )
    encoder, teacher = load_encoder(tmp_path / "student"), load_encoder(teacher_folder)
    assert encoder.encode_query(make_pairs(1)[0][1]).shape[1] == 16
    assert fingerprint(encoder) == fingerprint(teacher)


@pytest.mark.parametrize(
    "objective", ["mean-pool", "optical + 0.5*mean-pool", "greedy", "hard-max", "contrastive"]
)
def test_other_objectives_improve_a_saved_graft(
    objective: str, teacher_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    graft(teacher_folder, bitext, tmp_path / "graft")
    student = str(tmp_path / "graft")
    # After 60 steps of pooled MSE alone the overlap is still below the graft's.
    settings = {**TRAINED, "objective": objective, "steps": 200 if objective == "mean-pool" else 60}
    distill(teacher_folder, bitext, tmp_path / "student", **settings, student=student)
    made = read_provenance(tmp_path / "student")
    before, after = made["development_before"], made["development_after"]
    assert made["best_step"] > 0
    assert after["teacher_overlap"] > before["teacher_overlap"]
    assert after["translation_mrr"] > before["translation_mrr"]
    assert made["objective"]["formula"] == objective
    assert made["student"] == {**read_provenance(student)["student"], "kind": student}
    # The mean says nothing of tokens, and what is contrasted may be far away.
    if objective not in ("mean-pool", "contrastive"):
        assert after["transport_cost"] < 0.9 * before["transport_cost"]
    if "0.5*" in objective:
        assert made["objective"]["mean-pool"]["weight"] == 0.5


@pytest.mark.parametrize(
    "name", [pytest.param("adversarial", marks=pytest.mark.slow), "adversarial-alternating"]
)
def test_an_adversarial_run_trains_the_discriminator_and_reports_it(
    name: str, teacher_folder: Path, bitext: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formula = f"{name} + optical"
    made, log = {}, ""
    for rate in (0.0, 2e-2):
        settings = {**TRAINED, "objective": formula, "discriminator_learning_rate": rate}
        distill(teacher_folder, bitext, tmp_path / str(rate), **settings, progress=True)
        made[rate] = read_provenance(tmp_path / str(rate))
        log = capsys.readouterr().err
    figure = f"{name}_discriminator_accuracy"
    untrained, trained = (made[rate]["objective"][figure] for rate in (0.0, 2e-2))
    assert abs(untrained - 0.5) < 0.05
    assert trained > untrained + 0.02
    assert f"{figure} {trained:.4f}" in log
    assert made[2e-2]["objective"][name]["hidden"] == 500
    assert 0.4 < made[2e-2]["development_after"]["language_probe"] <= 1
    card = (tmp_path / "0.02" / "README.md").read_text(encoding="utf-8")
    assert "discriminator_accuracy" in card
    assert ("ganin2016domain" if name == "adversarial" else "lample2018word") in card


def test_training_that_hurts_gives_the_untrained_student(
    teacher_folder: Path, bitext: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="optical")
    ruinous = {**SMALL, "steps": 4, "embedding_learning_rate": 5.0, "learning_rate": 5.0}
    returned = distill(teacher_folder, bitext, tmp_path / "student", **ruinous)
    made = read_provenance(tmp_path / "student")
    assert made["best_step"] == 0
    assert made["development_after"] == made["development_before"]
    assert any("made the student worse" in record.getMessage() for record in caplog.records)
    grafted = distill(
        teacher_folder, bitext, tmp_path / "still", **{**SMALL, "steps": 1, "learning_rate": 0.0}
    )
    query = make_pairs(1)[0][1]
    assert torch.allclose(
        returned.encode_query(query), load_encoder(tmp_path / "student").encode_query(query)
    )
    assert returned.encode_query(query).shape == grafted.encode_query(query).shape


def test_training_compares_directions_and_leaves_the_weights_of_terms_alone(
    teacher_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    settings = {**TRAINED, "steps": 20, "evaluations": 1}
    query = make_pairs(1)[0][1]
    vectors = {}
    for name, weighted in (("weighted", True), ("plain", False)):
        encoder = distill(teacher_folder, bitext, tmp_path / name, **settings, weighted=weighted)
        made = read_provenance(tmp_path / name)
        assert (made["settings"]["weighted"], made["best_step"]) == (weighted, 20)
        vectors[name] = encoder.encode_query(query)
    lengths = vectors["weighted"].norm(dim=1, keepdim=True)
    assert torch.allclose(vectors["weighted"] / lengths, vectors["plain"], atol=1e-4)
    assert float(lengths.min()) < 0.1 < 0.2 < float(lengths.max())
    # Those of the graft of the same training pairs: this one is of all pairs, which is nearly the same.
    untrained = graft(teacher_folder, bitext, tmp_path / "graft").encode_query(query)
    assert torch.allclose(untrained.norm(dim=1, keepdim=True), lengths, atol=0.1)


def test_a_student_is_no_teacher(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    graft(teacher_folder, bitext, tmp_path / "graft")
    for make in (graft, distill):
        with pytest.raises(OpticalError, match=f"graft is itself a student.*{teacher_folder}"):
            make(tmp_path / "graft", bitext, tmp_path / "again")


def test_sentences_beyond_the_limit_of_an_encoder_are_left_out(
    tiny_teacher: MultiVectorEncoder, bitext: Path, tmp_path: Path
) -> None:
    tiny_teacher.max_seq_length = 8
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    distill(tmp_path / "teacher", bitext, tmp_path / "student", **{**SMALL, "batch_size": 8}, steps=2)
    most = sum(len(english.split()) <= 6 for english, _ in make_pairs(300))
    assert 0 < read_provenance(tmp_path / "student")["training_pairs"] <= most


def test_seed_decides(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    query = make_pairs(1)[0][1]
    first, again, other = (
        distill(teacher_folder, bitext, tmp_path / name, **SMALL, steps=6, seed=seed).encode_query(query)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cache_outlives_the_run_and_is_shared(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    distill(teacher_folder, bitext, tmp_path / "first", **SMALL, steps=2, cache=cache)
    (file,) = cache.glob("*/vectors.f16")
    written = file.stat().st_mtime_ns
    distill(teacher_folder, bitext, tmp_path / "second", **SMALL, steps=2, cache=cache, student="transplant")
    assert [(each, each.stat().st_mtime_ns) for each in cache.glob("*/vectors.f16")] == [(file, written)]


def test_long_pairs_are_left_out_of_training(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    distill(teacher_folder, bitext, tmp_path / "student", **SMALL, steps=2, max_tokens=8)
    # At most 6 words a side: every English word is a token, and the foreign one at least one.
    most = sum(len(english.split()) <= 6 for english, _ in make_pairs(300))
    assert 0 < read_provenance(tmp_path / "student")["training_pairs"] <= most


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"discriminator_learning_rate": -1.0}, "discriminator_learning_rate is -1.0"),
        ({"objective": "opticl"}, "'opticl'"),
        ({"objective": "-1*optical"}, "'-1'"),
        ({"max_tokens": 3}, "more than 3 tokens"),
    ],
)
def test_refused_settings_leave_nothing(
    settings: dict[str, Any], says: str, teacher_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    with pytest.raises(OpticalError, match=says):
        distill(teacher_folder, bitext, tmp_path / "made" / "student", **{**SMALL, **settings})
    assert list(tmp_path.glob("made/*")) == []


def test_student_of_another_dimension_is_refused(
    tiny_teacher: MultiVectorEncoder, teacher_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    with torch.no_grad():
        narrow = tiny_teacher[1]
        narrow.linear = torch.nn.Linear(32, 8, bias=False)
        narrow.out_features = 8
    tiny_teacher.save_pretrained(str(tmp_path / "narrow"))
    with pytest.raises(OpticalError, match=r"narrow makes vectors of 8 dimensions, the\s+teacher of 16"):
        distill(
            teacher_folder, bitext, tmp_path / "made" / "student", student=str(tmp_path / "narrow"), **SMALL
        )
    assert list(tmp_path.glob("made/*")) == []


def test_few_pairs_make_one_batch_and_a_warning(
    teacher_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = write_bitext(tmp_path / "few.tsv", 40)
    distill(teacher_folder, few, tmp_path / "student", steps=2, evaluations=1)
    assert "The bitext has only 40 sentence pairs" in caplog.text
    made = read_provenance(tmp_path / "student")
    assert (made["training_pairs"], made["settings"]["batch_size"]) == (32, 32)


def test_no_pair_is_short_enough_on_both_sides(teacher_folder: Path, tmp_path: Path) -> None:
    short, long = "the river is big", "maize and rice in the market of nairobi and maize and rice"
    lines = [f"{short if n % 2 else long} {n}\t{long if n % 2 else short} {n}" for n in range(60)]
    uneven = tmp_path / "uneven.tsv"
    uneven.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(OpticalError, match="Only 0 training pairs have at most 8 tokens a side"):
        distill(teacher_folder, uneven, tmp_path / "student", max_tokens=8)
    assert not list(tmp_path.glob("student*"))


def test_bitext_too_small_to_hold_back(teacher_folder: Path, tmp_path: Path) -> None:
    few = write_bitext(tmp_path / "few.tsv", 4)
    with pytest.raises(OpticalError, match="4 usable sentence pairs"):
        distill(teacher_folder, few, tmp_path / "student")


def test_output_that_exists_is_refused_and_kept(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    output = tmp_path / "student"
    output.mkdir()
    (output / "precious.txt").write_text("years of work")
    for make in (distill, graft):
        with pytest.raises(OpticalError, match=f"{output} exists already"):
            make(teacher_folder, bitext, output)
    assert (output / "precious.txt").read_text() == "years of work"


@pytest.mark.parametrize("student", ["graft", "transplant"])
def test_graft_is_a_whole_artefact(student: str, teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    returned = graft(teacher_folder, bitext, tmp_path / "student", student=student, seed=5)
    loaded, teacher = MultiVectorEncoder(str(tmp_path / "student")), MultiVectorEncoder(str(teacher_folder))
    query = make_pairs(1)[0][1]
    assert torch.allclose(loaded.encode_query(query), returned.encode_query(query), atol=1e-5)
    assert fingerprint(loaded) == fingerprint(teacher)
    # A dictionary and nothing else: what translates word for word is found without training.
    plain = graft(teacher_folder, bitext, tmp_path / "plain", student=student, seed=5, weighted=False)
    assert on_new_sentences(plain, teacher)[0] > 0.7
    # In made-up sentences all words tell the same, and rarity misleads.
    assert on_new_sentences(loaded, teacher)[0] > 0.5
    made = read_provenance(tmp_path / "student")
    assert set(made) == {"versions", "teacher", "bitext", "student", "weighted", "seed"}
    assert (made["seed"], made["weighted"], made["student"]["kind"]) == (5, True, student)
    tokens = made["student"]
    assert tokens["tokens"] == len(loaded[0].sub_modules["query"][0].tokenizer)
    assert tokens["tokens"] == sum(tokens[key] for key in ("translated", "replaced", "kept", "pieced"))
    assert json.loads((tmp_path / "student" / "optical.json").read_text(encoding="utf-8")) == made
    assert_translates_as(bitext, tmp_path / "student")
