"""The bundled collection is well-formed, and its training pairs do not give the questions away."""

import re
from itertools import product

import pytest

from optical.errors import OpticalError
from optical.samples import sample

COLUMNS = {
    "passages.tsv": 3,
    "queries.sw.tsv": 2,
    "queries.en.tsv": 2,
    "qrels.tsv": 3,
    "bitext.en-sw.tsv": 2,
}
NEAR_COPY = 0.5


def read(name: str) -> list[list[str]]:
    text = sample(name).read_bytes().decode("utf-8")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def words(text: str) -> frozenset[str]:
    return frozenset(re.sub(r"[^\w\s]|_", " ", text.lower().replace("'", "")).split())


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / len(left | right)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_well_formed(name: str):
    data = sample(name).read_bytes()
    assert data.endswith(b"\n")
    assert b"\r" not in data
    assert not data.startswith(b"\xef\xbb\xbf")
    for row in read(name):
        assert len(row) == COLUMNS[name], row
        for field in row:
            assert field, row
            assert field == " ".join(field.split()), row
            assert '"' not in field, row


@pytest.mark.parametrize(
    ("name", "least"), [("passages.tsv", 60), ("queries.sw.tsv", 40), ("bitext.en-sw.tsv", 400)]
)
def test_there_is_enough_text(name: str, least: int):
    assert len(read(name)) >= least


@pytest.mark.parametrize("name", ["passages.tsv", "queries.sw.tsv", "queries.en.tsv"])
def test_ids_and_texts_are_unique(name: str):
    rows = read(name)
    assert len({row[0] for row in rows}) == len(rows)
    assert len({row[-1] for row in rows}) == len(rows)


def test_passages_have_forty_to_ninety_words():
    assert all(40 <= len(text.split()) <= 90 for _, _, text in read("passages.tsv"))


def test_both_languages_ask_the_same_questions():
    swahili, english = read("queries.sw.tsv"), read("queries.en.tsv")
    assert [row[0] for row in swahili] == [row[0] for row in english]
    assert all(text.endswith("?") for _, text in swahili + english)


def test_judgements_join_questions_to_passages():
    queries = {row[0] for row in read("queries.sw.tsv")}
    passages = {row[0] for row in read("passages.tsv")}
    judgements = read("qrels.tsv")
    assert {qid for qid, _, _ in judgements} == queries
    assert {pid for _, pid, _ in judgements} <= passages
    assert {grade for _, _, grade in judgements} == {"1"}
    assert len({(qid, pid) for qid, pid, _ in judgements}) == len(judgements)


def test_no_pair_is_repeated_or_empty():
    pairs = [(words(english), words(swahili)) for english, swahili in read("bitext.en-sw.tsv")]
    assert all(english and swahili for english, swahili in pairs)
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(("queries", "side"), [("queries.en.tsv", 0), ("queries.sw.tsv", 1)])
def test_no_question_leaks_into_the_bitext(queries: str, side: int):
    pairs, questions = read("bitext.en-sw.tsv"), read(queries)
    leaks = [
        (qid, question, pair[side])
        for (qid, question), pair in product(questions, pairs)
        if jaccard(words(question), words(pair[side])) >= NEAR_COPY
    ]
    assert leaks == []


def test_unknown_sample_names_the_known_files():
    with pytest.raises(OpticalError, match=r"nothing\.tsv") as caught:
        sample("nothing.tsv")
    assert all(name in str(caught.value) for name in COLUMNS)
