"""Training examples from judgements, with and without a run of negatives."""

from pathlib import Path

import pytest

from optical.collections import TrainingExample, open_collection, training_triples
from optical.errors import OpticalError

from ..collections.formats.test_squad import SQUAD, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        "".join(f'{{"_id": "p{n}", "title": "T{n}", "text": "text {n}"}}\n' for n in range(6))
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two"}\n')
    return tmp_path


def judge(folder: Path, *lines: str) -> Path:
    (folder / "qrels" / "test.tsv").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_judgements_alone(folder: Path) -> None:
    judge(folder, "q1\tp0\t1", "q1\tp1\t0", "q2\tp2\t2", "q2\tp3\t1")
    assert list(training_triples(open_collection(folder))) == [
        TrainingExample("one", "T0 text 0", ["T1 text 1"]),
        TrainingExample("two", "T2 text 2", []),
        TrainingExample("two", "T3 text 3", []),
    ]


def test_negatives_of_a_run(folder: Path) -> None:
    judge(folder, "q1\tp0\t1", "q1\tp1\t0", "q2\tp2\t1")
    run = {"q1": {"p0": 9.0, "p4": 1.0, "p5": 3.0, "p1": 2.0}, "q3": {"p0": 1.0}}
    first, second = training_triples(open_collection(folder), negatives=run)
    assert first.negatives == ["T1 text 1", "T5 text 5", "T4 text 4"], "judged 0 first, then as ranked"
    assert second.negatives == []
    (first, _) = training_triples(open_collection(folder), negatives=run, most_negatives=2)
    assert first.negatives == ["T1 text 1", "T5 text 5"]


def test_what_is_not_there_is_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    judge(folder, "q1\tp0\t1", "q1\tgone\t1", "q1\tlost\t0", "q7\tp0\t1")
    assert list(training_triples(open_collection(folder))) == [TrainingExample("one", "T0 text 0", [])]
    assert "1 examples left out whose query is not there; 3 passages named that are not in" in caplog.text


def test_no_example_at_all(folder: Path) -> None:
    judge(folder, "q7\tp0\t1")
    with pytest.raises(OpticalError, match="makes no training example"):
        list(training_triples(open_collection(folder)))


def test_queries_of_one_file_against_passages_of_another(tmp_path: Path) -> None:
    swahili = write(tmp_path / "xquad.sw.json", SQUAD)
    (tmp_path / "english.tsv").write_text("0\tzero\n1\tone\n2\ttwo\n")
    examples = list(training_triples(open_collection(swahili), open_collection(tmp_path / "english.tsv")))
    assert examples == [
        TrainingExample("What does it feed?", "zero", []),
        TrainingExample("Is it high?", "zero", []),
        TrainingExample("What is teff?", "two", []),
    ]
