"""``optical data build-wikiclir`` as a user sees it."""

from collections.abc import Callable
from pathlib import Path

from optical.collections import read_judgements, read_queries

from ..collections.wikiclir.handmade_dumps import WikiPage, write_dump, write_langlinks
from .conftest import Outcome

Command = Callable[..., Outcome]


def arguments(folder: Path) -> list[object]:
    english = [
        WikiPage(1, "Mwanza", "'''Mwanza''' is a port on [[Lake Victoria]]."),
        WikiPage(2, "Lake Victoria", "'''Lake Victoria''' is a lake near [[Mwanza]]."),
    ]
    swahili = [
        WikiPage(11, "Mwanza", "'''Mwanza''' ni jiji lenye bandari kubwa."),
        WikiPage(12, "Pengine", "Makala haya hayana kiungo."),
    ]
    return [
        "data", "build-wikiclir",
        "--english", write_dump(folder / "enwiki.xml.bz2", english),
        "--foreign", write_dump(folder / "swwiki.xml.bz2", swahili, "swwiki"),
        "--langlinks", write_langlinks(folder / "langlinks.sql.gz", [(11, "en", "Mwanza")]),
        "-o", folder / "made",
    ]  # fmt: skip


def test_builds_and_says_what(command: Command, tmp_path: Path) -> None:
    outcome = command(*arguments(tmp_path), "--dev", 0, "--test", 1)
    assert outcome.code == 0, outcome.err
    assert read_queries(tmp_path / "made") == {"11": "ni jiji lenye bandari kubwa."}
    assert read_judgements(tmp_path / "made") == {"11": {"1": 2, "2": 1}}
    rows = [line.replace("│", " ").split() for line in outcome.out.splitlines()]
    assert ["test", "1", "1", "1"] in rows
    assert ["train", "0", "0", "0"] in rows
    assert "2 passages of 7.0 words, queries of 5.0 words (means)." in outcome.out
    assert [*"foreign: no link to an English page".split(), "1"] in rows


def test_a_dump_cut_short_is_a_mistake_of_the_user(command: Command, tmp_path: Path) -> None:
    given = arguments(tmp_path)
    english = tmp_path / "enwiki.xml.bz2"
    english.write_bytes(english.read_bytes()[:-20])
    outcome = command(*given)
    assert outcome.code == 2
    assert "Traceback" not in outcome.out + outcome.err
    assert f"Error: {english} " in outcome.err
    assert not (tmp_path / "made").exists()
