"""``optical supervise`` and ``optical data translate`` from the command line."""

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optical.collections import read_queries
from optical.encoders import read_provenance
from optical.supervision import SupervisionSettings

from ..rivals.test_translation import SENTENCES, made
from ..supervision.collection import Collection, write_collection, write_lines
from .conftest import Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return write_collection(tmp_path)


def options(collection: Collection, teacher: Path, **changed: object) -> list[object]:
    given: dict[str, Any] = {
        **{"teacher": teacher, "queries": collection.queries, "passages": collection.passages},
        **{"qrels": collection.judgements, "bitext": collection.bitext},
        **{"steps": 4, "batch-size": 16, "held-back": 30, "evaluations": 1, **changed},
    }
    return [part for name, value in given.items() for part in (f"--{name}", value) if value is not None]


def test_a_student_is_made_and_its_figures_are_told(
    command: Command, teacher: Path, collection: Collection, tmp_path: Path
) -> None:
    more = {"negatives": collection.negatives, "translations": collection.translations}
    output = tmp_path / "student"
    arguments = options(collection, teacher, objective="contrastive + kl", output=output, **more)
    done = command("supervise", *arguments)
    assert done.code == 0, done.err
    figures = read_provenance(output)
    before, after = (figures[f"development_{when}"]["mrr_10"] for when in ("before", "after"))
    assert "Bitext: 60 pairs" in done.out
    assert "Judged queries: 150 with 150 relevant passages, 120 of them for training" in done.out
    assert f"MRR@10 {before:.3f} before, {after:.3f} after" in done.out
    assert f"Saved to {output}." in done.out
    assert "step 4: mrr_10" in done.err


def test_defaults_are_those_of_the_library() -> None:
    """They stand twice, so that `optical supervise --help` need not import torch."""
    command = inspect.signature(importlib.import_module("optical.cli.supervise").supervise).parameters
    for setting in dataclasses.fields(SupervisionSettings):
        assert command[setting.name].default == setting.default, setting.name


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"objective": "kl"}, "no translations are given"),
        ({"bitext": None}, "made from bitext, and none is given"),
        ({"qrels": "other.tsv"}, "None of the 150 queries"),
        ({"passages": "few.tsv"}, "few.tsv lacks 149 of the passages"),
        ({"negatives": "other.run"}, "ranks passages for 1 queries"),
    ],
)
def test_refusals(
    changed: dict[str, str],
    says: str,
    command: Command,
    teacher: Path,
    collection: Collection,
    tmp_path: Path,
) -> None:
    write_lines(tmp_path / "other.tsv", "z1\tp1\t1")
    write_lines(tmp_path / "few.tsv", "p1\tthe river")
    write_lines(tmp_path / "other.run", "z1 Q0 p1 1 1 x")
    places = {
        name: tmp_path / value if isinstance(value, str) and "." in value else value
        for name, value in changed.items()
    }
    done = command("supervise", *options(collection, teacher, output=tmp_path / "made" / "student", **places))
    assert done.code == 2
    assert "Traceback" not in done.out + done.err
    assert says in done.err
    assert list(tmp_path.glob("made/*")) == []


def test_queries_are_translated(command: Command, tmp_path: Path) -> None:
    queries = write_lines(tmp_path / "q.tsv", *(f"{number}\t{text}" for number, text in enumerate(SENTENCES)))
    output = tmp_path / "translated.tsv"
    codes = ("--from", "eng_Latn", "--to", "swh_Latn")
    model = made("nllb", tmp_path)
    done = command("data", "translate", "--queries", queries, "--model", model, *codes, "-o", output)
    assert done.code == 0, done.err
    assert f"Wrote {output}" in done.out
    assert list(read_queries(output)) == ["0", "1", "2"]
    wrong = ("--from", "eng_Latn", "--to", "swahili")
    refused = command(
        "data", "translate", "--queries", queries, "--model", model, *wrong, "-o", tmp_path / "b"
    )
    assert refused.code == 2
    assert "knows no language 'swahili'" in refused.err
    assert not list(tmp_path.glob("b*"))
