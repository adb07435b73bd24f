"""The bundled collection is well-formed, and its training pairs do not give the questions away."""

import re
import unicodedata
from itertools import product

import pytest

from optical.bitext import words
from optical.errors import OpticalError
from optical.samples import sample

FOLDER = sample("passages.tsv").parent
FILES = sorted(path.name for path in FOLDER.glob("*.tsv"))
QUERIES = [name for name in FILES if name.startswith("queries.")]
BITEXTS = [name for name in FILES if name.startswith("bitext.")]
COLUMNS = dict.fromkeys(FILES, 2) | {"passages.tsv": 3, "qrels.tsv": 3}
LEAST_ROWS = {"passages.tsv": 120, "qrels.tsv": 60} | dict.fromkeys(QUERIES, 60) | dict.fromkeys(BITEXTS, 800)
NEAR_COPY = 0.5


def read(name: str) -> list[list[str]]:
    text = sample(name).read_bytes().decode("utf-8")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / len(left | right)


def languages(bitext: str) -> list[str]:
    return bitext.removeprefix("bitext.").removesuffix(".tsv").split("-")


def test_each_language_has_questions_and_pairs():
    foreign = {f"queries.{languages(name)[1]}.tsv" for name in BITEXTS}
    assert {*foreign, "queries.en.tsv"} == set(QUERIES)
    assert "queries.sw.tsv" in foreign
    assert set(FILES) == {"passages.tsv", "qrels.tsv", *QUERIES, *BITEXTS}


@pytest.mark.parametrize("name", FILES)
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
            assert unicodedata.is_normalized("NFC", field), row


@pytest.mark.parametrize("name", FILES)
def test_there_is_enough_text(name: str):
    assert len(read(name)) >= LEAST_ROWS[name]


def test_the_table_in_the_readme_counts_all_files():
    table = re.findall(
        r"^\| `(\S+)` \|.*\| ([\d,]+)[^|]*\|$", (FOLDER / "README.md").read_text("utf-8"), re.M
    )
    assert {name: int(rows.replace(",", "")) for name, rows in table} == {
        name: len(read(name)) for name in FILES
    }


@pytest.mark.parametrize("name", ["passages.tsv", *QUERIES])
def test_ids_and_texts_are_unique(name: str):
    rows = read(name)
    assert len({row[0] for row in rows}) == len(rows)
    assert len({tuple(words(row[-1])) for row in rows}) == len(rows)


def test_passages_have_forty_to_ninety_words():
    assert all(40 <= len(text.split()) <= 90 for _, _, text in read("passages.tsv"))


@pytest.mark.parametrize("name", QUERIES)
def test_questions_are_among_the_english_ones_and_in_their_order(name: str):
    ids = [row[0] for row in read(name)]
    assert ids == [row[0] for row in read("queries.en.tsv") if row[0] in ids]


@pytest.mark.parametrize("name", QUERIES)
def test_questions_end_with_a_question_mark(name: str):
    ethiopic = "\N{ETHIOPIC QUESTION MARK}"
    assert [text for _, text in read(name) if not text.endswith(("?", ethiopic))] == []


def test_judgements_join_questions_to_passages():
    queries = {row[0] for row in read("queries.en.tsv")}
    passages = {row[0] for row in read("passages.tsv")}
    judgements = read("qrels.tsv")
    assert {qid for qid, _, _ in judgements} == queries
    assert {pid for _, pid, _ in judgements} <= passages
    assert {grade for _, _, grade in judgements} == {"1"}
    assert len({(qid, pid) for qid, pid, _ in judgements}) == len(judgements)


@pytest.mark.parametrize("name", BITEXTS)
def test_no_pair_is_repeated_or_empty(name: str):
    pairs = [(frozenset(words(english)), frozenset(words(foreign))) for english, foreign in read(name)]
    assert all(english and foreign for english, foreign in pairs)
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(("name", "side"), product(BITEXTS, [0, 1]))
def test_no_question_leaks_into_the_bitext(name: str, side: int):
    pairs = [(pair[side], frozenset(words(pair[side]))) for pair in read(name)]
    leaks = [
        (qid, question, sentence)
        for qid, question in read(f"queries.{languages(name)[side]}.tsv")
        for sentence, sentence_words in pairs
        if jaccard(frozenset(words(question)), sentence_words) >= NEAR_COPY
    ]
    assert leaks == []


def test_unknown_sample_names_the_known_files():
    with pytest.raises(OpticalError, match=r"nothing\.tsv") as caught:
        sample("nothing.tsv")
    assert all(name in str(caught.value) for name in FILES)
