"""Runs: written, read again, and understood by others."""

from itertools import pairwise
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.collections import Run, ranked, read_run, write_run
from optical.errors import OpticalError


def test_the_format(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "run.txt", {"q1": {"b": 1.0, "c": 2.5, "a": 1.0}, "q0": {"a": -3}}, "mine")
    assert (tmp_path / "a" / "run.txt").read_text() == (
        "q1 Q0 c 1 2.5 mine\nq1 Q0 a 2 1.0 mine\nq1 Q0 b 3 1.0 mine\nq0 Q0 a 1 -3.0 mine\n"
    )


ids = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\0"), min_size=1, max_size=6).filter(
    lambda text: text.split() == [text]
)
scores = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1.0, 1.0 + 2**-52])


@settings(deadline=None)
@given(st.dictionaries(ids, st.dictionaries(ids, scores, min_size=1, max_size=6), min_size=1, max_size=4))
def test_written_runs_come_back_whole_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, run: Run
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.txt"
    write_run(path, run, "name")
    again = read_run(path)
    assert again == run
    assert list(ranked(again)) == list(ranked(run))
    for query, passages in ranked(run):
        assert list(again[query]) == passages
        for better, worse in pairwise(passages):
            assert (-run[query][better], better) < (-run[query][worse], worse)
    ranks = [line.split()[3] for line in path.read_bytes().decode().split("\n")[:-1]]
    assert ranks == [str(rank) for passages in run.values() for rank in range(1, len(passages) + 1)]


def test_scores_of_numpy_are_written_as_plain_numbers(tmp_path: Path) -> None:
    score = np.float32(0.1)
    write_run(tmp_path / "run.txt", {"q": {"d": score}}, "name")
    assert read_run(tmp_path / "run.txt") == {"q": {"d": float(score)}}


def test_ir_measures_reads_what_is_written(tmp_path: Path) -> None:
    run = {"q1": {"a": 0.1, "b": 1e-20}, "q2": {"c": -7.25}}
    write_run(tmp_path / "run.txt", run, "name")
    read = {(d.query_id, d.doc_id): d.score for d in ir_measures.read_trec_run(str(tmp_path / "run.txt"))}
    assert read == {(q, d): score for q, passages in run.items() for d, score in passages.items()}


def test_runs_of_other_systems(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text("q1\tQ0\ta\t0\t1e2\tx\r\nq1 0 b 1 99 x\n")
    assert read_run(tmp_path / "run.txt") == {"q1": {"a": 100.0, "b": 99.0}}


@pytest.mark.parametrize(
    ("run", "name", "message"),
    [
        ({"q 1": {"d": 1.0}}, "n", "query id 'q 1'"),
        ({"q": {"d\u00a01": 1.0}}, "n", "passage id"),
        ({"q": {"": 1.0}}, "n", "passage id ''"),
        ({"q": {"d": 1.0}}, "my run", "run name 'my run'"),
        ({"q": {"d": float("nan")}}, "n", "passage d has the score nan"),
        ({"q": {"d": float("inf")}}, "n", "passage d has the score inf"),
    ],
)
def test_what_the_format_cannot_hold(tmp_path: Path, run: Run, name: str, message: str) -> None:
    with pytest.raises(OpticalError, match=message):
        write_run(tmp_path / "run.txt", run, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n", "only empty lines"),
        ("q Q0 d 1 2.0 n\nq Q0 d 1 2.0\n", r"run\.txt:2: 5 column"),
        ("q Q0 d 1 2.0 my run\n", r"run\.txt:1: 7 column"),
        ("q Q0 d one 2.0 n\n", r"run\.txt:1: rank one"),
        ("q Q0 d 1 high n\n", r"run\.txt:1: rank 1 and score high"),
        ("q Q0 d 1 nan n\n", r"run\.txt:1: the score nan"),
        ("q Q0 d 1 2.0 n\nq Q0 d 2 1.0 n\n", r"run\.txt:2: query q ranks passage d again"),
    ],
)
def test_bad_runs_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.txt").write_text(content)
    with pytest.raises(OpticalError, match=message):
        read_run(tmp_path / "run.txt")
