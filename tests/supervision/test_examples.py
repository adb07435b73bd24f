"""Judged queries read from small files in every form they come in."""

import logging
from pathlib import Path
from typing import Any

import pytest

from optical.errors import OpticalError
from optical.supervision import JudgedQueries, read_judged_queries

from .collection import Collection, write_lines


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Graded judgements, a passage of the same content as another, a query without judgement."""
    return {
        "queries": write_lines(tmp_path / "q.tsv", "b\tmto mkubwa", "a\tsoko", "c\tnyumba", "d\tnani"),
        "passages": write_lines(
            tmp_path / "p.tsv",
            "1\triver\ta big river",
            "2\tmarket\tmaize and rice",
            "3\triver\ta big river",
            "4\thouse\tan old house",
            "5\tcow\ta cow",
            "6\tfish\ta fish",
        ),
        "judgements": write_lines(
            tmp_path / "qrels.tsv", "a\t2\t1", "a\t4\t2", "a\t5\t0", "b\t1\t1", "c\t5\t0"
        ),
    }


def read(files: dict[str, Path], **more: Any) -> JudgedQueries:
    return read_judged_queries(files["queries"], files["passages"], files["judgements"], **more)


def contents(examples: JudgedQueries, passages: Any) -> list[str]:
    return [examples.passages[passage] for passage in passages]


def test_queries_with_a_relevant_passage_are_kept_and_only_their_passages(files: dict[str, Path]) -> None:
    examples = read(files)
    assert examples.queries == ["mto mkubwa", "soko"]
    assert sorted(examples.passages) == ["house an old house", "market maize and rice", "river a big river"]
    assert contents(examples, examples.relevant[1]) == ["market maize and rice", "house an old house"]
    assert contents(examples, examples.positives(1)) == ["house an old house"], "of the highest level"
    assert contents(examples, examples.positives(0)) == ["river a big river"]
    assert examples.negatives == [[], []]
    assert examples.translations is None


def test_negatives_of_triples(files: dict[str, Path], tmp_path: Path) -> None:
    ir_datasets = pytest.importorskip("ir_datasets")
    pairs = write_lines(
        tmp_path / "pairs.tsv", "b\t1\t6", "z\t1\t5", "b\t1\t1", "b\t1\t4", "b\t1\t6", "b\t1\t2"
    )
    formats, download = ir_datasets.formats, ir_datasets.util.LocalDownload
    name = "optical-negatives/train"
    ir_datasets.registry.register(
        name,
        ir_datasets.Dataset(
            formats.TsvQueries(download(files["queries"]), lang="sw"), formats.TsvDocPairs(download(pairs))
        ),
    )
    ir_datasets.registry.register(
        "optical-plain", ir_datasets.Dataset(formats.TsvQueries(download(files["queries"]), lang="sw"))
    )
    try:
        examples = read(files, negatives=f"ir_datasets:{name}", depth=2)
        with pytest.raises(OpticalError, match="optical-plain has no triples"):
            read(files, negatives="ir_datasets:optical-plain")
    finally:
        del ir_datasets.registry._registered[name], ir_datasets.registry._registered["optical-plain"]
    assert contents(examples, examples.negatives[0]) == ["fish a fish", "house an old house"]
    assert examples.negatives[1] == []


def test_negatives_are_what_is_ranked_and_not_relevant(files: dict[str, Path], tmp_path: Path) -> None:
    run = write_lines(
        tmp_path / "run",
        # Written in another order than that of the scores, which count.
        "b Q0 6 1 0.1 x",
        "b Q0 3 2 0.5 x",
        "b Q0 1 3 0.9 x",
        "b Q0 5 4 0.3 x",
        "a Q0 2 1 9 x",
        "a Q0 5 2 8 x",
        "a Q0 4 3 7 x",
        "d Q0 6 1 1 x",
    )
    examples = read(files, negatives=run)
    # Passage 3 has the content of the relevant one, and 2 is relevant to "a" on a lower level.
    assert contents(examples, examples.negatives[0]) == ["cow a cow", "fish a fish"]
    assert contents(examples, examples.negatives[1]) == ["cow a cow"]
    assert contents(
        read(files, negatives=run, depth=2), read(files, negatives=run, depth=2).negatives[0]
    ) == ["cow a cow"]


def test_translations_are_those_of_the_queries(files: dict[str, Path], tmp_path: Path) -> None:
    english = write_lines(tmp_path / "en.tsv", "c\thouse", "a\tmarket", "b\tbig river")
    assert read(files, translations=english).translations == ["big river", "market"]


def test_everything_has_a_part_in_the_digest(files: dict[str, Path], tmp_path: Path) -> None:
    english = write_lines(tmp_path / "en.tsv", "a\tmarket", "b\tbig river")
    run = write_lines(tmp_path / "run", "b Q0 6 1 1 x", "b Q0 5 1 2 x")
    digests = [
        read(files).digest(),
        read(files, translations=english).digest(),
        read(files, negatives=run).digest(),
        read(files, negatives=run, depth=1).digest(),
    ]
    for name, old, new in (
        ("queries", "soko", "sokoni"),
        ("passages", "old", "new"),
        ("judgements", "a\t2\t1", "a\t2\t3"),
    ):
        files[name].write_text(files[name].read_text().replace(old, new))
        digests.append(read(files).digest())
    assert len(set(digests)) == len(digests)
    assert read(files).digest() == digests[-1]


def test_split_is_decided_by_the_seed(collection: Collection) -> None:
    examples = read_judged_queries(*collection.needed)
    training, development = examples.split(20, seed=1)
    assert len(development) == 20
    assert sorted(training + development) == list(range(len(examples)))
    assert examples.split(20, seed=1) == (training, development)
    assert examples.split(20, seed=2) != (training, development)
    assert len(examples.split(1000, seed=1)[1]) == len(examples) // 5


def test_judged_queries_that_are_not_there_are_mentioned(
    files: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with files["judgements"].open("a") as file:
        file.write("z\t1\t1\ny\t1\t1\n")
    with caplog.at_level(logging.WARNING, logger="optical"):
        assert len(read(files)) == 2
    assert "judges 2 queries that" in caplog.text


@pytest.mark.parametrize(
    ("name", "lines", "says"),
    [
        ("judgements", ["x\t1\t1"], "None of the 4 queries in .*q.tsv has a relevant passage in .*qrels.tsv"),
        ("judgements", ["a\t1\t0"], "None of the 4 queries"),
        (
            "judgements",
            ["a\t8\t1", "b\t9\t1", "b\t1\t1"],
            "p.tsv lacks 2 of the passages that .*qrels.tsv names",
        ),
        (
            "negatives",
            ["a Q0 77 1 1 x"],
            "p.tsv lacks 1 of the passages that .*negatives names; the first is 77",
        ),
        (
            "negatives",
            ["zz Q0 1 1 1 x", "a Q0 5 1 1 x"],
            "negatives ranks .* 1 queries that .* the first is zz",
        ),
        ("negatives", ["a Q0 2 1 1 x", "d Q0 5 1 1 x"], "negatives has no negative"),
        ("translations", ["a\tmarket"], "translations lacks the English version of 1 judged .* first is b"),
    ],
)
def test_files_that_do_not_belong_together(
    name: str, lines: list[str], says: str, files: dict[str, Path], tmp_path: Path
) -> None:
    more = {}
    if name in files:
        write_lines(files[name], *lines)
    else:
        more[name] = write_lines(tmp_path / name, *lines)
    with pytest.raises(OpticalError, match=says):
        read(files, **more)
