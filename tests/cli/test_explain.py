"""Explanations as the user of the command line sees them."""

from collections.abc import Callable
from pathlib import Path

from ..distillation.toy import DICTIONARY
from .conftest import Outcome

Command = Callable[..., Outcome]


def test_hits_are_explained_word_by_word(
    command: Command, teacher: Path, bitext: Path, tmp_path: Path
) -> None:
    passages = tmp_path / "passages.tsv"
    passages.write_text("a\tthe teacher read book\n", encoding="utf-8")
    encoder, index, page = tmp_path / "encoder", tmp_path / "index", tmp_path / "new" / "page.html"
    for step in (
        ("graft", "--teacher", teacher, "--bitext", bitext, "--output", encoder),
        ("index", "--encoder", encoder, "--passages", passages, "--output", index),
    ):
        assert command(*step).code == 0
    query = f"{DICTIONARY['teacher']} {DICTIONARY['book']}"
    shown = command("explain", index, query, "--encoder", encoder, "-k", 1, "--page", page)
    assert shown.code == 0
    assert not shown.err
    for word in (*query.split(), "the teacher read book", "special tokens", f"Saved to {page}."):
        assert word in shown.out
    assert query in page.read_text(encoding="utf-8")
    assert [each.name for each in page.parent.iterdir()] == ["page.html"]


def test_more_passages_than_there_are(command: Command, teacher: Path, tmp_path: Path) -> None:
    passages = tmp_path / "passages.tsv"
    passages.write_text("a\tthe farmer buy fish\n", encoding="utf-8")
    index = tmp_path / "index"
    assert command("index", "--encoder", teacher, "--passages", passages, "--output", index).code == 0
    shown = command("explain", index, "fish", "--encoder", teacher, "-k", 2)
    assert shown.code == 0
    assert [line.split()[0] for line in shown.out.splitlines() if line[:4].strip().endswith(".")] == ["1."]
