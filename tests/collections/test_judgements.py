"""Relevance judgements in every layout."""

from pathlib import Path

import ir_measures
import pytest

from optical.collections import read_judgements
from optical.errors import OpticalError

EXPECTED = {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": -1}}


@pytest.mark.parametrize(
    "content",
    [
        "q1\td1\t2\nq1\td2\t0\nq2\td1\t-1\n",
        "query-id\tcorpus-id\tscore\nq1\td1\t2\r\nq1\td2\t0\nq2\td1\t-1\n",
        "q1 0 d1 2\nq1  0\td2 0\n\nq2 0 d1 -1",
        "q1\t0\td1\t2\nq1\t0\td2\t0\nq2\t0\td1\t-1\n",
    ],
)
def test_all_layouts_say_the_same(tmp_path: Path, content: str) -> None:
    (tmp_path / "qrels.txt").write_text(content)
    assert read_judgements(tmp_path / "qrels.txt") == EXPECTED


def test_trec_layout_agrees_with_ir_measures(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text("q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 -1\n")
    read = {(q.query_id, q.doc_id): q.relevance for q in ir_measures.read_trec_qrels(str(path))}
    assert read == {
        (q, d): value for q, judged in read_judgements(path).items() for d, value in judged.items()
    }


def test_beir_folder(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"has no qrels/test\.tsv"):
        read_judgements(tmp_path)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    assert read_judgements(tmp_path) == {"q1": {"d1": 1}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n", "no judgements"),
        ("query-id\tcorpus-id\tscore\n", "no judgements"),
        ("q1\td1\t1\nq1\td2\n", r"q\.tsv:2: 2 column\(s\) instead of 3"),
        ("q1 d1 1\n", r"q\.tsv:1: 3 column\(s\) instead of 4"),
        ("q1\td1\t1\nq1 0 d2 1\n", r"q\.tsv:2: 1 column\(s\) instead of 3"),
        ("q1\td1\t0.5\n", r"q\.tsv:1: the relevance '0.5' is no integer"),
        ("q1\t \t1\n", r"q\.tsv:1: an id is empty"),
        ("q1\td1\t1\nq1\td1\t0\n", r"q\.tsv:2: query q1 judges passage d1 again"),
    ],
)
def test_bad_judgements_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "q.tsv").write_text(content)
    with pytest.raises(OpticalError, match=message):
        read_judgements(tmp_path / "q.tsv")
