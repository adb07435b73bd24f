"""Studies with students that learn from judged queries."""

import json
from typing import Any

import pytest

from optical.collections import read_queries
from optical.errors import OpticalError
from optical.study import read_study, run_study
from optical.study.cells import StudyFolder, make_cell

from ..distillation.toy import make_pairs
from .conftest import PAIRS, QUESTIONS, Toy

SUPERVISED = "toy--supervised--all--seed3"
JUDGED = """
[judged.wiki]
queries = "wiki/queries.{language}.tsv"
passages = "wiki/passages.tsv"
judgements = "wiki/qrels.tsv"
"""
SYSTEMS = """
bm25 = { kind = "bm25" }
supervised = { kind = "supervised", judged = "wiki", steps = 3, batch_size = 16, held_back = 8, evaluations = 1 }
both = { kind = "fused", systems = ["supervised", "bm25"] }
"""
REPLACED = {
    'ceiling = "ceiling"\n': "",
    '["optical", "zero-shot"]': '["supervised", "bm25"]',
    "seeds = [0, 1]": "seeds = [3]",
    'amounts = [200, "all"]': 'amounts = ["all"]',
    "[distillation]\nsteps = 4\nbatch_size = 16\nheld_back = 40\nevaluations = 1\n": JUDGED,
}
OTHER = """
[languages.other]
bitext = ["bitext*.tsv"]

[tests.other]
language = "other"
passages = "passages.tsv"
queries = "queries.tsv"
judgements = "qrels.tsv"

[systems]
"""


@pytest.fixture
def judged(toy: Toy) -> Toy:
    """The toy study with judged queries, of which some are questions of the test."""
    pairs = make_pairs(PAIRS)[:60]
    (toy.folder / "wiki").mkdir()
    for name, lines in (
        ("queries.toy.tsv", [f"{number}\t{foreign}" for number, (_, foreign) in enumerate(pairs)]),
        ("passages.tsv", [f"{number}\t{english}" for number, (english, _) in enumerate(pairs)]),
        ("qrels.tsv", [f"{number}\t0\t{number}\t1" for number in range(len(pairs))]),
    ):
        (toy.folder / "wiki" / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    toy.declare(SYSTEMS, **REPLACED)
    return toy


def make(toy: Toy, name: str) -> dict[str, Any]:
    """Make a cell in this process and return what its making has to say."""
    cells = toy.identities()
    (cell,) = (cell for cell in cells if cell.name == name)
    for folder in ("runs", "cells"):
        (toy.output / folder).mkdir()
    make_cell(cell, read_study(toy.config), StudyFolder(toy.output), cells[cell])
    made: dict[str, Any] = toy.cell(name)["made"]
    return made


def replace(toy: Toy, *pieces: tuple[str, str]) -> None:
    text = toy.config.read_text("utf-8")
    for old, new in pieces:
        assert old in text
        text = text.replace(old, new)
    toy.config.write_text(text, "utf-8")


def test_a_student_learns_from_all_judged_queries_but_those_of_the_test(judged: Toy) -> None:
    made = make(judged, SUPERVISED)
    assert made["judged_queries"]["queries"] == 60 - QUESTIONS
    assert made["settings"].items() >= {"seed": 3, "steps": 3, "student": "graft"}.items()
    # The graft of the very sentence pairs that other students of the cell have.
    assert made["bitext"]["pairs"] == PAIRS - QUESTIONS
    assert made["student"]["kind"] == "graft"
    assert judged.cell(SUPERVISED)["tests"]["toy"]["queries"] == QUESTIONS
    asked = set(read_queries(judged.folder / "queries.tsv").values())
    learned = read_queries(judged.output / "work" / "judged-wiki" / "toy" / "queries.jsonl")
    assert not asked & set(learned.values())
    assert not list((judged.output / "work").glob("supervised-*"))


def test_a_student_made_of_the_bitext_and_a_checkpoint(judged: Toy) -> None:
    student = f"graft:{judged.folder / 'teacher'}"
    replace(judged, ("steps = 3,", f'steps = 3, student = "{student}",'))
    made = make(judged, SUPERVISED)
    assert made["student"]["kind"] == student
    assert made["bitext"]["pairs"] == PAIRS - QUESTIONS


def test_the_objective_that_follows_the_teacher(judged: Toy) -> None:
    replace(
        judged,
        ('judged = "wiki", steps', 'judged = "wiki", objective = "kl", steps'),
        ('judgements = "wiki/', 'translations = "wiki/passages.tsv"\njudgements = "wiki/'),
    )
    made = make(judged, SUPERVISED)
    assert made["objective"]["formula"] == "kl"
    assert made["judged_queries"]["translations"]


def test_only_what_learns_from_judged_queries_depends_on_them(judged: Toy) -> None:
    before = judged.identities()
    queries = judged.folder / "wiki" / "queries.toy.tsv"
    queries.write_text("".join(queries.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    after = judged.identities()
    changed = {
        cell.name: [what for what in before[cell] if before[cell][what] != after[cell][what]]
        for cell in after
    }
    assert changed == {
        "toy--bm25": [],
        SUPERVISED: ["judged queries"],
        "toy--both--all--seed3": ["parts"],
    }


def test_a_language_without_judged_queries_gets_no_cell_of_them(judged: Toy) -> None:
    replace(judged, ("[systems]\n", OTHER))
    assert [cell.name for cell in judged.identities()] == [
        "toy--bm25",
        SUPERVISED,
        "toy--both--all--seed3",
        "other--bm25",
    ]


@pytest.mark.slow
def test_a_study_with_judged_queries(judged: Toy) -> None:
    replace(judged, ("[systems]\n", OTHER))
    lines: list[str] = []
    progress = run_study(judged.config, judged.output, data=judged.folder, report=lines.append)
    assert (progress.done, progress.failed) == (4, [])
    left = 60 - QUESTIONS
    assert f"Judged wiki, toy: {left} queries (left out: {QUESTIONS} near copies of test questions)" in lines
    lacking = judged.folder / "wiki" / "queries.other.tsv"
    assert f"Judged wiki, other: none ({lacking} does not exist)" in lines
    plan = json.loads((judged.output / "plan.json").read_text("utf-8"))
    assert plan["judged queries"]["wiki, toy"]["queries"] == left


def test_a_set_that_no_system_names_is_left_alone(judged: Toy) -> None:
    before = judged.identities()
    replace(judged, ("[systems]", f"{JUDGED.replace('judged.wiki', 'judged.other')}[systems]"))
    assert judged.identities() == before
    assert not (judged.output / "work" / "judged-other").exists()


def test_missing_passages_are_named_before_any_cell_is_made(judged: Toy) -> None:
    (judged.folder / "wiki" / "passages.tsv").unlink()
    with pytest.raises(OpticalError, match=r"wiki/passages\.tsv does not exist"):
        run_study(judged.config, judged.output, data=judged.folder)
    assert not (judged.output / "cells").exists()
