"""An index on a Qdrant server as the user of the command line keeps it: build, change, search, push, pull."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optical.index.cluster import connection

from ..index.qdrant_server import FakeQdrant, running
from .conftest import Outcome
from .test_index import write_passages

Command = Callable[..., Outcome]


@pytest.fixture
def qdrant() -> Iterator[FakeQdrant]:
    with running() as server:
        yield server


@pytest.fixture
def passages(tmp_path: Path) -> Path:
    return write_passages(
        tmp_path / "passages.jsonl",
        {"_id": "a", "text": "the farmer buy fish", "metadata": {"year": 2019}},
        {"_id": "b", "text": "the doctor buy fish", "metadata": {"year": 2021}},
    )


def test_an_index_lives_on_a_server_and_moves_between_it_and_folders(
    command: Command, qdrant: FakeQdrant, teacher: Path, passages: Path, tmp_path: Path
) -> None:
    url = f"{qdrant.url}/news"
    built = command("index", "--encoder", teacher, "--passages", passages, "-o", f"{url}?shards=2")
    assert (built.code, built.out) == (0, f"Indexed 2 passages in {url}?shards=2.\n")
    more = write_passages(tmp_path / "more.jsonl", {"_id": "c", "text": "the goat eat"})
    added = command("index", "add", url, "--encoder", teacher, "--passages", more)
    assert (added.code, added.out) == (0, f"{url} holds 3 passages.\n")
    assert command("index", "optimise", url).code == 0
    shown = command("index", "info", url)
    assert "passages       3\n" in shown.out
    assert "on disk" not in shown.out
    queries, qrels = tmp_path / "queries.tsv", tmp_path / "qrels.tsv"
    queries.write_text("q\tdoctor fish\n", encoding="utf-8")
    qrels.write_text("q\tb\t1\n", encoding="utf-8")
    evaluated = command("evaluate", url, "--encoder", teacher, "--queries", queries, "--qrels", qrels)
    assert evaluated.code == 0
    folder = tmp_path / "pulled"
    pulled = command("index", "pull", url, folder)
    assert (pulled.code, pulled.out) == (0, f"Copied 3 passages to {folder}.\n")
    pushed = command("index", "push", folder, f"{qdrant.url}/again")
    assert (pushed.code, pushed.out) == (0, f"Copied 3 passages to {qdrant.url}/again.\n")
    searching = ("fish", "--encoder", teacher, "-k", 1, "--filter", "year > 2020")
    found = [command("search", place, *searching).out for place in (url, folder, f"{qdrant.url}/again")]
    assert found[0] == found[1] == found[2]
    assert "the doctor buy fish" in found[0]
    assert "the doctor buy fish" in command("explain", url, "doctor", "--encoder", teacher, "-k", 3).out
    shutil.rmtree(folder)
    assert command("index", "pull", url, folder).code == 0
    for refused in (command("index", "pull", url, folder), command("index", "push", folder, url)):
        assert refused.code == 2
        assert "exists already" in refused.err


def test_what_is_wrong_with_a_server_or_an_address_is_one_sentence(
    command: Command, qdrant: FakeQdrant, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READING_PATIENCE", 0.2)
    qdrant.key = "right"
    monkeypatch.setenv("QDRANT_API_KEY", "top-secret")
    for address, message in (
        (f"{qdrant.url}/news", "refuses the key"),
        (f"{qdrant.url}/", "is malformed"),
        ("qdrant://127.0.0.1:1/news", "cannot be reached"),
    ):
        for arguments in (("search", address, "fish", "--encoder", teacher), ("index", "info", address)):
            refused = command(*arguments)
            assert refused.code == 2
            assert message in refused.err
            assert address in refused.err
            assert "Traceback" not in refused.err
            assert "top-secret" not in refused.err
