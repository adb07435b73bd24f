"""Bitext as its user sees it checked, cleaned and measured."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    lines = [
        f"This is the house number {n} of our road\tHii ni nyumba namba {n} ya barabara yetu"
        for n in range(60)
    ]
    lines += ["The same\tthe same", "Thank you &amp; bye\tAsante na kwaheri", lines[0]]
    path = tmp_path / "raw.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_check_reports_and_writes_nothing(command: Command, raw: Path) -> None:
    shown = command("bitext", "check", raw)
    assert shown.code == 0
    for expected in ("untranslated", "duplicate", "entity", f"{raw}:61", "Thank you &amp; bye", "\u2588"):
        assert expected in shown.out
    assert [path.name for path in raw.parent.iterdir()] == ["raw.tsv"]


def test_clean_writes_pairs_reasons_picture_and_report(command: Command, raw: Path, tmp_path: Path) -> None:
    output, picture, report = tmp_path / "clean.tsv", tmp_path / "plot.png", tmp_path / "report.json"
    shown = command(
        "bitext", "clean", raw, "-o", output, "--drop", "entity", "--plot", picture, "--json", report
    )
    assert shown.code == 0
    assert f"Wrote 60 of 63 pairs to {output}" in shown.out
    assert output.read_text().splitlines() == raw.read_text().splitlines()[:60]
    reasons = [line.split("\t")[:3] for line in (tmp_path / "clean.tsv.dropped.tsv").read_text().splitlines()]
    assert reasons == [
        ["untranslated", str(raw), "61"],
        ["entity", str(raw), "62"],
        ["duplicate", str(raw), "63"],
    ]
    with Image.open(picture) as opened:
        assert opened.format == "PNG"
    stored = json.loads(report.read_text(encoding="utf-8"))
    assert (stored["pairs"], stored["kept"]) == (63, 60)
    assert stored["dropped"] == {"untranslated": 1, "entity": 1, "duplicate": 1}


def test_queries_and_languages(command: Command, raw: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.tsv"
    queries.write_text("q1\tThis is the house number 7 of our road\n", encoding="utf-8")
    output = tmp_path / "clean.tsv"
    shown = command("bitext", "clean", raw, "-o", output, "--against", queries, "--language", "sw")
    assert shown.code == 0
    assert "near-copy-of-a-query" in (tmp_path / "clean.tsv.dropped.tsv").read_text()
    assert "number 7 of" not in output.read_text()


def test_coverage_gives_a_verdict(command: Command, raw: Path, teacher: Path) -> None:
    shown = command("bitext", "coverage", raw, "--tokenizer", teacher)
    assert shown.code == 0
    assert "Verdict: " in shown.out


def test_refusals(command: Command, raw: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.tsv"
    for arguments, words in (
        (("check", tmp_path / "no.tsv"), "does not exist"),
        (("check", raw, "--language", "tlh"), "does not know tlh"),
        (("check", raw, "--plot", tmp_path / "plot.txt"), "ends in .png"),
        (("clean", raw, "-o", output, "--drop", "spelling"), "There is no rule spelling"),
        (("coverage", raw, "--tokenizer", tmp_path / "none"), "No tokenizer can be loaded"),
    ):
        refused = command("bitext", *arguments)
        assert refused.code == 2
        assert words in " ".join(refused.err.split())
    assert not output.exists()
