"""SQuAD, XQuAD and XQuAD-R files."""

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from optical.collections import Passage, open_collection, read_judgements, read_passages, read_queries
from optical.collections.formats.squad import Squad
from optical.collections.formats.xquad_r import XquadR
from optical.errors import OpticalError

SQUAD: dict[str, Any] = {
    "version": "1.1",
    "data": [
        {
            "title": "Lake_Tana",
            "paragraphs": [
                {
                    "context": "Lake Tana is high. It feeds the Blue Nile.",
                    "qas": [
                        {
                            "id": "a1",
                            "question": "What does it feed?",
                            "answers": [{"answer_start": 28, "text": "the Blue"}],
                        },
                        {
                            "id": "a2",
                            "question": "Is it high?",
                            "answers": [{"answer_start": 13, "text": "high"}],
                        },
                    ],
                },
                {"context": "Boats of papyrus cross it.", "qas": []},
            ],
        },
        {
            "title": "Teff",
            "paragraphs": [
                {
                    "context": "Teff is a grain.",
                    "qas": [
                        {
                            "id": "b1",
                            "question": "What is teff?",
                            "answers": [{"answer_start": 8, "text": "a grain"}],
                        },
                        {"id": "b2", "question": "Who grows it?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        },
    ],
}
SENTENCES = [
    (["Lake Tana is high.", "It feeds the Blue Nile."], [[0, 18], [19, 42]]),
    (["Boats of papyrus cross it."], [[0, 26]]),
    (["Teff is a grain."], [[0, 16]]),
]


def with_sentences() -> dict[str, Any]:
    squad = copy.deepcopy(SQUAD)
    paragraphs = [paragraph for article in squad["data"] for paragraph in article["paragraphs"]]
    for paragraph, (sentences, breaks) in zip(paragraphs, copy.deepcopy(SENTENCES), strict=True):
        paragraph |= {"sentences": sentences, "sentence_breaks": breaks}
    return squad


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_paragraphs_questions_and_judgements(tmp_path: Path) -> None:
    path = write(tmp_path / "dev-v1.1.json", SQUAD)
    assert list(read_passages(path)) == [
        Passage("0", "Lake Tana is high. It feeds the Blue Nile.", "Lake Tana"),
        Passage("1", "Boats of papyrus cross it.", "Lake Tana"),
        Passage("2", "Teff is a grain.", "Teff"),
    ]
    assert list(read_queries(path)) == ["a1", "a2", "b1", "b2"]
    assert read_queries(path)["a1"] == "What does it feed?"
    assert read_judgements(path) == {"a1": {"0": 1}, "a2": {"0": 1}, "b1": {"2": 1}}


def test_the_answer_is_in_the_judged_passage(tmp_path: Path) -> None:
    for name, value in (("xquad.en.json", SQUAD), ("en.json", with_sentences())):
        path = write(tmp_path / name, value)
        texts = {passage.id: passage.text for passage in read_passages(path)}
        answers = {
            question["id"]: question["answers"][0]["text"]
            for article in SQUAD["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
            if question["answers"]
        }
        judgements = read_judgements(path)
        assert judgements.keys() == answers.keys()
        for query, judged in judgements.items():
            assert [answers[query] in texts[passage] for passage in judged] == [True]


def test_sentences_are_the_passages_of_xquad_r(tmp_path: Path) -> None:
    path = tmp_path / "en.json.gz"
    path.write_bytes(gzip.compress(json.dumps(with_sentences()).encode()))
    assert isinstance(open_collection(path), XquadR)
    assert [(passage.id, passage.text) for passage in read_passages(path)] == [
        ("0.0", "Lake Tana is high."),
        ("0.1", "It feeds the Blue Nile."),
        ("1.0", "Boats of papyrus cross it."),
        ("2.0", "Teff is a grain."),
    ]
    assert read_judgements(path) == {"a1": {"0.1": 1}, "a2": {"0.0": 1}, "b1": {"2.0": 1}}


def test_a_prefix_decides(tmp_path: Path) -> None:
    path = write(tmp_path / "en.json", with_sentences())
    assert type(open_collection(f"xquad:{path}")) is Squad
    assert [passage.id for passage in read_passages(f"xquad:{path}")] == ["0", "1", "2"]


def test_titles_may_be_missing(tmp_path: Path) -> None:
    squad = copy.deepcopy(SQUAD)
    for article in squad["data"]:
        del article["title"]
    path = write(tmp_path / "xquad.json", squad)
    assert [passage.title for passage in read_passages(path)] == ["", "", ""]


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (["data", 0, "paragraphs", 1, "context"], r"x\.json: data\[0\]\.paragraphs\[1\]\.context is missing"),
        (["data", 1, "paragraphs"], r"x\.json: data\[1\]\.paragraphs is missing"),
        (
            ["data", 0, "paragraphs", 0, "qas", 1, "question"],
            r"data\[0\]\.paragraphs\[0\]\.qas\[1\]\.question is miss",
        ),
        (["data", 0, "paragraphs", 0, "qas", 0, "id"], r"qas\[0\]\.id is missing"),
        (["data", 0, "paragraphs", 0, "qas", 0, "answers"], r"qas\[0\]\.answers is missing"),
    ],
)
def test_missing_fields_are_named_with_their_path(tmp_path: Path, way: list[Any], message: str) -> None:
    squad = copy.deepcopy(SQUAD)
    place = squad
    for step in way[:-1]:
        place = place[step]
    del place[way[-1]]
    collection = open_collection(write(tmp_path / "x.json", squad))
    with pytest.raises(OpticalError, match=message):
        list(collection.passages()), collection.queries(), collection.judgements()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, r"context is 7 instead of a string"),
        ("  ", r"context: the passage 0 is empty"),
        ("a\0b", "NUL character"),
        ("a\ud800b", "half a surrogate pair"),
    ],
)
def test_wrong_texts(tmp_path: Path, value: object, message: str) -> None:
    squad = copy.deepcopy(SQUAD)
    squad["data"][0] |= {"title": "", "paragraphs": [{"context": value, "qas": []}]}
    with pytest.raises(OpticalError, match=message):
        list(read_passages(write(tmp_path / "x.json", squad)))


def test_repeated_questions(tmp_path: Path) -> None:
    squad = copy.deepcopy(SQUAD)
    squad["data"][1]["paragraphs"][0]["qas"][0]["id"] = "a1"
    path = write(tmp_path / "x.json", squad)
    with pytest.raises(OpticalError, match=r"paragraphs\[0\]\.qas\[0\]\.id: the query id a1 occurs before"):
        read_queries(path)


def test_sentences_that_do_not_fit(tmp_path: Path) -> None:
    squad = with_sentences()
    squad["data"][0]["paragraphs"][0]["sentence_breaks"].pop()
    with pytest.raises(OpticalError, match=r"sentence_breaks does not fit"):
        read_judgements(write(tmp_path / "x.json", squad))
    squad = with_sentences()
    squad["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = -1
    with pytest.raises(OpticalError, match=r"answer_start is before the first sentence"):
        read_judgements(write(tmp_path / "y.json", squad))


def test_lists_and_objects_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"x\.json: data is no list"):
        list(read_passages("squad:" + str(write(tmp_path / "x.json", {"data": {"paragraphs": []}}))))
    with pytest.raises(OpticalError, match=r"y\.json is no object with data"):
        list(read_passages("squad:" + str(write(tmp_path / "y.json", []))))
    with pytest.raises(OpticalError, match=r"z\.json has no passages"):
        list(read_passages("squad:" + str(write(tmp_path / "z.json", {"data": []}))))
