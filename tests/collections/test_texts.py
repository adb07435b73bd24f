"""Passages and queries in every layout."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.collections import Passage, read_passages, read_queries
from optical.errors import OpticalError


def test_content_joins_title_and_text() -> None:
    assert Passage("1", "A river.", "Nile").content == "Nile A river."
    assert Passage("1", "A river.").content == "A river."
    assert Passage("1", "", "Nile").content == "Nile"


def test_metadata(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(
        '{"_id": "1", "text": "a", "metadata": {"source": "who", "year": 2020, "share": 0.5, "new": true, '
        '"topics": ["health", "food"], "editor": null}}\n'
        '{"_id": "2", "text": "b", "metadata": null}\n'
    )
    first, second = read_passages(tmp_path / "p.jsonl")
    assert first.metadata == {
        "source": "who",
        "year": 2020,
        "share": 0.5,
        "new": True,
        "topics": ("health", "food"),
    }
    assert second == Passage("2", "b")
    assert len({first, second}) == 2


def test_tab_separated_passages(tmp_path: Path) -> None:
    (tmp_path / "two.tsv").write_bytes(b"\xef\xbb\xbf1\tA river. \r\n\r\n2\tA cow.")
    (tmp_path / "three.tsv.gz").write_bytes(gzip.compress(b"1\tNile\tA river.\n2\t\tA cow.\n"))
    assert list(read_passages(tmp_path / "two.tsv")) == [Passage("1", "A river."), Passage("2", "A cow.")]
    assert list(read_passages(str(tmp_path / "three.tsv.gz"))) == [
        Passage("1", "A river.", "Nile"),
        Passage("2", "A cow."),
    ]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_beir_folder(tmp_path: Path, suffix: str) -> None:
    compress = gzip.compress if suffix else bytes
    corpus = [
        {"_id": "d1", "title": "Nile", "text": "A\nriver.", "metadata": {}},
        {"_id": "d2", "text": "A cow."},
    ]
    queries = [{"_id": "q1", "text": "Mto ni nini?"}, {"_id": "q2", "title": None, "text": "Ng\u2019ombe"}]
    for name, records in (("corpus", corpus), ("queries", queries)):
        content = "".join(json.dumps(record) + "\n" for record in records).encode()
        (tmp_path / f"{name}.jsonl{suffix}").write_bytes(compress(content))
    passages = [Passage("d1", "A\nriver.", "Nile"), Passage("d2", "A cow.")]
    assert list(read_passages(tmp_path)) == passages
    assert list(read_passages(tmp_path / f"corpus.jsonl{suffix}")) == passages
    assert read_queries(tmp_path) == {"q1": "Mto ni nini?", "q2": "Ng\u2019ombe"}


def test_passages_stream(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("1\tgood\n2\tgood\nbad\n")
    passages = read_passages(tmp_path / "p.tsv")
    assert [next(passages).id, next(passages).id] == ["1", "2"]
    with pytest.raises(OpticalError, match=r"p\.tsv:3: 1 column"):
        next(passages)


def test_a_missing_file_is_known_before_the_first_passage(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"p\.tsv does not exist"):
        read_passages(tmp_path / "p.tsv")
    with pytest.raises(OpticalError, match=r"has no corpus\.jsonl"):
        read_passages(tmp_path)
    with pytest.raises(OpticalError, match=r"has no queries\.jsonl"):
        read_queries(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.tsv", b"", "is empty"),
        ("p.tsv", b"\n\n", "only empty lines"),
        ("p.tsv", b"1\ta\n1\tb\n", r"p\.tsv:2: the passage id 1 occurs before"),
        ("p.tsv", b"1\ta\n \tb\n", r"p\.tsv:2: the passage id is empty"),
        ("p.tsv", b"1\ta\n2\t \n", r"p\.tsv:2: the passage 2 is empty"),
        ("p.tsv", b"1\tt\ta\n2\tb\n", r"p\.tsv:2: 2 columns after lines with 3"),
        ("p.tsv", b"1\ta\tb\tc\n", r"p\.tsv:1: 4 column"),
        ("p.tsv", b"1\ta\n2\t\xff\n", r"p\.tsv:2: not UTF-8 at byte 3"),
        ("p.tsv.gz", b"1\ta\n", "broken gzip"),
        ("p.jsonl", b"1\ta\n", r"p\.jsonl:1: not JSON"),
        ("p.jsonl", b"[1]\n", r"p\.jsonl:1: not a JSON object"),
        ("p.jsonl", b'{"_id": 1, "text": "a"}\n', r"p\.jsonl:1: _id is 1 instead of a string"),
        ("p.jsonl", b'{"_id": "1"}\n', r"p\.jsonl:1: text is missing"),
        ("p.jsonl", b'{"_id": "1", "text": "a", "title": 3}\n', r"p\.jsonl:1: title is 3"),
        (
            "p.jsonl",
            b'{"_id": "1", "text": "a", "metadata": [3]}\n',
            r"p\.jsonl:1: metadata is \[3\] instead",
        ),
        (
            "p.jsonl",
            b'{"_id": "1", "text": "a", "metadata": {"b": [3]}}\n',
            r"p\.jsonl:1: metadata b is \[3\]",
        ),
        ("p.jsonl", b'{"_id": "1", "text": "\\ud83d"}\n', r"p\.jsonl:1: text has half a surrogate"),
        ("p.jsonl", b'{"_id": "1", "text": " ", "title": ""}\n', r"p\.jsonl:1: the passage 1 is empty"),
    ],
)
def test_bad_passages_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OpticalError, match=message):
        list(read_passages(tmp_path / name))


def test_queries_have_two_columns(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("q2\tMaji ni nini?\nq1\tNani?\n")
    assert list(read_queries(tmp_path / "q.tsv").items()) == [("q2", "Maji ni nini?"), ("q1", "Nani?")]
    (tmp_path / "q.tsv").write_text("q1\tNani?\textra\n")
    with pytest.raises(OpticalError, match=r"q\.tsv:1: 3 column\(s\) instead of id<TAB>text\."):
        read_queries(tmp_path / "q.tsv")


words = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\0\ufeff"), min_size=1).map(str.strip)


@settings(deadline=None)
@given(st.dictionaries(words.filter(bool), words.filter(bool), min_size=1, max_size=8))
def test_both_layouts_give_the_same_queries(
    tmp_path_factory: pytest.TempPathFactory, queries: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("queries")
    columns = "".join(f"{query}\t{text}\n" for query, text in queries.items())
    records = "".join(json.dumps({"_id": query, "text": text}) + "\n" for query, text in queries.items())
    (folder / "q.tsv").write_bytes(columns.encode())
    (folder / "queries.jsonl").write_bytes(records.encode())
    assert read_queries(folder / "q.tsv") == read_queries(folder) == queries
