"""``optical data``."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from optical.collections.registry import KNOWN, KnownCollection, RemoteFile

from ..collections.file_server import Served, serving
from ..collections.formats.test_json_lines import GOLD, write
from .conftest import Outcome

Command = Callable[..., Outcome]


def test_list(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = command("data", "list")
    assert outcome.code == 0
    flat = "".join(outcome.out.split())
    for mention in ("49knowncollections", "Licence", "Apache-2.0"):
        assert mention in flat
    assert len(KNOWN) == 49


def test_get(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = b"1\tA river.\n"
    with serving(Served(content, cut_after=[3])) as served:
        file = RemoteFile("toy.tsv", served.address, md5=hashlib.md5(content).hexdigest())
        toy = KnownCollection(
            "toy", "tsv", "sw", "--passages FOLDER/toy.tsv", (file,), licence="CC0", citation="us"
        )
        monkeypatch.setitem(KNOWN, "toy", toy)
        outcome = command("data", "get", "toy")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "1 file(s) in toy. Licence: CC0. Please cite us.",
        "Read --passages toy/toy.tsv",
    ]
    assert (tmp_path / "toy" / "toy.tsv").read_bytes() == content


def test_get_of_what_ir_datasets_fetches(command: Command) -> None:
    outcome = command("data", "get", "ir_datasets:mmarco/v2/de/train")
    assert outcome.code == 0
    assert (
        "ir_datasets fetches this when it is first read: give ir_datasets:mmarco/v2/de/train to"
        in outcome.out
    )


def refused(outcome: Outcome, *mentions: object) -> None:
    assert outcome.code == 2
    assert "Traceback" not in outcome.out + outcome.err
    for mention in mentions:
        assert str(mention) in outcome.err


def test_get_of_the_unknown(command: Command) -> None:
    refused(command("data", "get", "ciral-swa"), "ciral-swa is no known collection. Perhaps: ciral-sw")
    refused(command("data", "get", "%%%"), "`optical data list` shows")


def test_get_without_the_file(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Served(b"", status=404)) as served:
        toy = KnownCollection("toy", "tsv", "", "", (RemoteFile("toy.tsv", served.address),))
        monkeypatch.setitem(KNOWN, "toy", toy)
        outcome = command("data", "get", "toy", "-o", tmp_path / "there")
        refused(outcome, served.address, "HTTP 404", tmp_path / "there" / "toy.tsv", "same command again")
        (tmp_path / "there" / "toy.tsv").write_text("1\tA river.\n")
        assert command("data", "get", "toy", "-o", tmp_path / "there").code == 0


def test_get_into_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(command("data", "get", "squad", "-o", tmp_path / "file"), "is no folder. Choose another output")


def test_formats_reach_index_and_evaluate(command: Command, teacher: Path, tmp_path: Path) -> None:
    gold = write(tmp_path / "gold_span_passages.afriqa.swa.en.test.json", GOLD)
    index = tmp_path / "index"
    outcome = command("index", "--encoder", teacher, "--passages", gold, "--output", index)
    assert outcome.code == 0, outcome.err
    assert "Indexed 3 passages" in outcome.out
    encoder = ("--encoder", teacher)
    outcome = command(
        "evaluate", index, *encoder, "--queries", f"{gold}#en", "--qrels", gold, "--json", tmp_path / "json"
    )
    assert outcome.code == 0, outcome.err
    assert "3 judged queries" in outcome.out
    refused(
        command("evaluate", index, *encoder, "--queries", f"{gold}#sw", "--qrels", gold), "Leave out 'sw'"
    )
    refused(
        command("index", *encoder, "--passages", "mqka:a", "--output", tmp_path / "b"), "is no known format"
    )
