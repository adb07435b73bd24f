from pathlib import Path

import pytest

from optical.errors import OpticalError
from optical.study import read_study
from optical.study.judged_queries import JudgedSet
from optical.study.kinds import Distilled, Encoder, Fused
from optical.study.trained_kinds import Supervised

STUDIES = Path(__file__).parents[2] / "study"

GOOD = """
title = "A study"
teacher = "teacher"
seeds = [0, 1]
amounts = [100, "all"]
ceiling = "ceiling"
comparisons = [["optical", "zero-shot"]]

[distillation]
steps = 7

[languages.sw]
bitext = ["*.tsv"]

[tests.small]
language = "sw"
passages = "passages.tsv"
queries = "queries.tsv"
judgements = "qrels.tsv"
translations = "queries.en.tsv"

[judged.wiki]
queries = "wiki/{language}"
passages = "wiki/{language}"
judgements = "wiki/{language}/qrels/train.tsv"

[systems]
ceiling = { kind = "ceiling" }
zero-shot = { kind = "encoder" }
optical = { kind = "distilled", objective = "optical", steps = 9 }
greedy = { kind = "distilled", objective = "greedy" }
supervised = { kind = "supervised", judged = "wiki", batch_size = 4 }
both = { kind = "fused", systems = ["optical", "zero-shot"] }
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_declared_study_is_read(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, GOOD))
    assert (study.seeds, study.amounts, study.comparisons) == (
        [0, 1],
        [100, "all"],
        [["optical", "zero-shot"]],
    )
    assert study.systems["zero-shot"] == Encoder()
    assert study.systems["both"] == Fused(["optical", "zero-shot"])
    assert list(study.systems) == ["ceiling", "zero-shot", "optical", "greedy", "supervised", "both"]
    assert list(study.tests_of("sw")) == ["small"]


def test_shared_settings_hold_where_a_system_has_none_of_its_own(tmp_path: Path) -> None:
    systems = read_study(write(tmp_path, GOOD)).systems
    assert systems["optical"] == Distilled({"objective": "optical", "steps": 9})
    assert systems["greedy"] == Distilled({"objective": "greedy", "steps": 7})


def test_a_set_of_judged_queries_has_files_by_language(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, GOOD))
    # What distilled systems share is not for others.
    assert study.systems["supervised"] == Supervised("wiki", {"batch_size": 4})
    judged = study.judged["wiki"]
    assert judged == JudgedSet("wiki/{language}", "wiki/{language}", "wiki/{language}/qrels/train.tsv")
    assert judged.file("judgements", "sw", Path("data")) == Path("data/wiki/sw/qrels/train.tsv")


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.toml")), ids=lambda file: file.stem)
def test_the_studies_of_the_project_can_be_read(file: Path) -> None:
    assert read_study(file).systems


def test_the_teacher_can_be_somewhere_else(tmp_path: Path) -> None:
    assert read_study(write(tmp_path, GOOD), teacher="here").teacher == "here"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds =", "seed =", "seed is not known. Did you mean seeds?"),
        ('kind = "encoder"', 'kind = "encodr"', "unknown kind 'encodr'. Did you mean encoder?"),
        ('kind = "encoder"', "encoder = 'x'", "systems.zero-shot has no kind"),
        ('language = "sw"', 'language = "swa"', "unknown language 'swa'. Did you mean sw?"),
        ('[["optical", ', '[["optcal", ', "unknown system 'optcal'. Did you mean optical?"),
        ('[["optical", "zero-shot"]]', '[["optical"]]', "Each comparison names two systems"),
        ('ceiling = "ceiling"', 'ceiling = "top"', "ceiling names an unknown system 'top'"),
        ('systems = ["optical",', 'systems = ["optcal",', "made of 'optcal'"),
        (
            "steps = 9",
            "step = 9",
            "systems.optical: there is no setting 'step' of the training. Did you mean steps?",
        ),
        ("steps = 9", "steps = 0", "systems.optical: steps is 0"),
        ("[0, 1]", '["0"]', "seeds is ['0'], which is no list of whole number"),
        ("[0, 1]", "[true]", "seeds is [True]"),
        ("[0, 1]", "[]", "seeds is empty"),
        ('[100, "all"]', '[0, "all"]', "amounts has 0"),
        ('[100, "all"]', '["some"]', "amounts has 'some'"),
        (
            'bitext = ["*.tsv"]',
            'bitexts = ["*.tsv"]',
            "languages.sw.bitexts is not known. Did you mean bitext?",
        ),
        ('queries = "queries.tsv"', "", "tests.small: give either queries and judgements"),
        (
            'translations = "queries.en.tsv"',
            "",
            "systems.ceiling asks in English, and tests.small has no transl",
        ),
        (
            "greedy = {",
            'nllb = { kind = "translated", translator = "x", source = { swa = "swh_Latn" } }\ngreedy = {',
            "systems.nllb.source has an unknown language 'swa'. Did you mean sw?",
        ),
        ('title = "A study"', "", "title is missing"),
        ("steps = 9", 'steps = "9"', "systems.optical.steps is '9', which is no whole number"),
        ("steps = 9", "seed = 9", "systems.optical: there is no setting 'seed'"),
        ("[distillation]\nsteps = 7", "distillation = 7", "distillation must be a table"),
        ('systems = ["optical", "zero-shot"]', "systems = []", "systems.both: systems is empty"),
        ("greedy = {", '"zero shot" = {', "'zero-shot' and 'zero shot', whose files would have one name"),
        ("greedy = {", '"a/b" = {', "systems has 'a/b'. Name it with letters"),
        ("[tests.small]", '[tests."a b"]', "tests has 'a b'"),
        ('title = "A study"', "title =", "cannot be read as TOML"),
        (
            'judged = "wiki"',
            'judged = "wikis"',
            "systems.supervised.judged is an unknown set 'wikis'. Did you mean",
        ),
        ('judged = "wiki", ', "", "systems.supervised.judged is missing"),
        ("batch_size = 4", 'objective = "kl"', "judged.wiki no translations. Add them"),
        (
            "batch_size = 4",
            'objective = "mean-pool"',
            "systems.supervised: There is no objective 'mean-pool'",
        ),
        ("batch_size = 4", "max_tokens = 4", "there is no setting 'max_tokens' of the training"),
        ("[judged.wiki]", '[judged."a/b"]', "judged has 'a/b'. Name it with letters"),
        ("[judged.wiki]", "[judged.wiki]\nsample = 0", "judged.wiki: sample is 0. It must be at least 1"),
        ('passages = "wiki/{language}"', "", "judged.wiki.passages is missing"),
        ("[languages.sw]", '[languages.ha]\nbitext = ["h"]\n[languages.sw]', "languages.ha has no test"),
    ],
)
def test_a_slip_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    file = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(OpticalError) as refusal:
        read_study(file)
    assert said in str(refusal.value)
    assert str(file) in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"nothing\.toml does not exist"):
        read_study(tmp_path / "nothing.toml")
