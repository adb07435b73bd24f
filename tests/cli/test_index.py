"""An index as the user of the command line keeps it: build, look, add, optimise, filter, and what is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from optical.index import Index

from .conftest import Outcome

Command = Callable[..., Outcome]


def write_passages(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return path


def test_an_index_is_built_looked_at_extended_and_searched_with_a_filter(
    command: Command, teacher: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    first = write_passages(
        tmp_path / "first.jsonl",
        {"_id": "a", "text": "the farmer buy fish", "metadata": {"source": "who", "year": 2019}},
        {
            "_id": "b",
            "text": "the doctor buy fish",
            "metadata": {"source": "un", "topics": ["food", "health"]},
        },
    )
    second = write_passages(
        tmp_path / "second.jsonl",
        {"_id": "a", "text": "the farmer sell fish", "metadata": {"source": "who", "year": 2021}},
        {"_id": "c", "text": "the goat eat", "metadata": {"year": 2022}},
    )
    built = command("index", "--encoder", teacher, "--passages", first, "--output", index, "--compact")
    assert (built.code, built.out) == (0, f"Indexed 2 passages in {index}.\n")
    assert "2/2" in built.err
    added = command("index", "add", index, "--encoder", teacher, "--passages", second)
    assert (added.code, added.out) == (0, f"{index} holds 3 passages.\n")
    assert command("index", "optimise", index).code == 0
    shown = command("index", "info", index)
    assert shown.code == 0
    assert "passages       3\n" in shown.out
    assert "compact        yes\n" in shown.out
    assert "metadata       source (string), topics (string), year (number)\n" in shown.out
    for expression, found in (
        ('source = "who" and year >= 2020', ["the farmer sell fish"]),
        ('topics = "health"', ["the doctor buy fish"]),
        ("not year >= 2000", ["the doctor buy fish"]),
        ("year in (2019, 2022)", ["the goat eat"]),
    ):
        hits = command("search", index, "fish", "--encoder", teacher, "-k", 3, "--filter", expression)
        assert hits.code == 0
        assert [line.strip() for line in hits.out.splitlines()[1::2]] == found
    refused = command("search", index, "fish", "--encoder", teacher, "-k", 3, "--filter", "month = 3")
    assert refused.code == 2
    assert "no passage has a field month (there are: source, topics, year)" in refused.err


def test_an_index_that_is_open_elsewhere_or_broken_is_explained(
    command: Command, teacher: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    passages = write_passages(tmp_path / "passages.jsonl", {"_id": "a", "text": "the farmer buy fish"})
    assert command("index", "--encoder", teacher, "--passages", passages, "--output", index).code == 0
    adding = ("index", "add", index, "--encoder", teacher, "--passages", passages)
    with Index.open(index):
        refused = command(*adding)
    assert refused.code == 2
    assert "is open already" in refused.err
    assert command(*adding).code == 0
    (index / "centroids.safetensors").write_bytes(b"nothing")
    refused = command("search", index, "fish", "--encoder", teacher, "-k", 1)
    assert refused.code == 2
    assert "Remove it, and run `optical index optimise`" in refused.err
    (index / "centroids.safetensors").unlink()
    assert command("index", "optimise", index).code == 0
    for file in (index / "shard" / "segments").rglob("segment.json"):
        file.unlink()
    refused = command("search", index, "fish", "--encoder", teacher, "-k", 1)
    assert refused.code == 2
    assert "is damaged" in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("prefix", ["", "tsv:"])
def test_passages_come_through_a_pipe_too(
    prefix: str, command: Command, teacher: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "passages"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=("a\tthe farmer buy fish\nb\tthe goat eat\n",))
    writer.start()
    source = f"{prefix}{pipe}"
    built = command("index", "--encoder", teacher, "--passages", source, "--output", tmp_path / "index")
    writer.join()
    assert (built.code, built.out) == (0, f"Indexed 2 passages in {tmp_path / 'index'}.\n")


def test_a_bad_line_is_found_before_anything_is_encoded(
    command: Command, teacher: Path, tmp_path: Path
) -> None:
    passages = tmp_path / "passages.tsv"
    passages.write_text(
        "".join(f"p{n}\tthe goat eat\n" for n in range(600)) + "only an id\n", encoding="utf-8"
    )
    refused = command("index", "--encoder", teacher, "--passages", passages, "--output", tmp_path / "index")
    assert refused.code == 2
    assert "passages.tsv:601" in refused.err
    assert not (tmp_path / "index").exists()


def test_unusable_workers_are_explained_before_anything_is_made(
    command: Command, teacher: Path, tmp_path: Path
) -> None:
    passages = write_passages(tmp_path / "passages.jsonl", {"_id": "a", "text": "the farmer buy fish"})
    build = ("index", "--encoder", teacher, "--passages", passages, "--output", tmp_path / "index")
    for options, message in (
        (("--workers", 0), "The number of workers is 0. Give at least 1"),
        (("--workers", -2), "The number of workers is -2. Give at least 1"),
        (("--workers", 2, "--ray", "localhost:6379"), "--workers and --ray were both given. Choose one"),
        (("--ray", "127.0.0.1:1"), "There is no Ray cluster to be reached at 127.0.0.1:1"),
    ):
        refused = command(*build, *options)
        assert refused.code == 2
        assert message in refused.err
        assert "Traceback" not in refused.err
        assert not (tmp_path / "index").exists()
    assert command(*build).code == 0
    assert command("index", "add", *build[1:5], tmp_path / "index", "--workers", 0).code == 2
