"""Which format a source is taken for."""

import json
from pathlib import Path

import pytest

from optical.collections import open_collection, read_judgements, read_passages, read_queries
from optical.collections.formats import FORMATS
from optical.errors import OpticalError

FILES = {
    "passages.tsv": ("tsv", "1\tA river.\n"),
    "brace.tsv": ("tsv", "{1}\tA river.\n"),
    "qrels.txt": ("tsv", "1 0 2 1\n"),
    "corpus.jsonl": ("tsv", '{"_id": "1", "text": "A river."}\n'),
    "metadata.jsonl": (
        "tsv",
        '{"_id": "1", "text": "a", "metadata": {"docid": 1, "id": 1, "contents": ""}}\n',
    ),
    "odd.jsonl": ("tsv", '{"number": "1"}\n'),
    "empty.json": ("tsv", ""),
    "dev.json": ("squad", '{"version": "1.1", "data": [{"title": "a", "paragraphs": []}]}'),
    "pretty.json": ("squad", '\ufeff{\n "data": [\n  {\n   "paragraphs": []\n  }\n ]\n}'),
    "en.json": ("xquad-r", '{"data": [{"paragraphs": [{"context": "", "sentence_breaks": []}]}]}'),
    "mkqa.jsonl": ("mkqa", '{"example_id": 1, "query": "a", "queries": {"sw": "b"}}\n'),
    "queries.json": ("afriqa", '{"id": 0, "question": "a", "translated_question": "b"}\n'),
    "gold.json": ("afriqa", '{"context": "a", "question_lang": "b", "question_translated": "c"}\n'),
    "passages.jsonl": ("ciral", '{"docid": "1", "text": "a"}\n'),
    "contents.jsonl": ("africlirmatrix", '{"id": "1", "contents": "a"}\n'),
    "topics.51-100": ("trec", "\n<top>\n<num> 51\n"),
    "topics.xml": ("trec", "<?xml version='1.0'?>\n<!-- a\nb -->\n<topics>"),
    "ap880212": ("trec", "<DOC>\n<DOCNO>"),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path: Path, name: str) -> None:
    format, text = FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert open_collection(tmp_path / name).description.name == format


def test_every_format_says_what_it_is() -> None:
    for name, format in FORMATS.items():
        description = format.description
        assert description.name == name or name == "xquad"
        assert all([description.content, description.direction, description.licence, description.citation])
        assert description.origin


@pytest.mark.parametrize("text", ['{"rows": []}', "[1, 2]", "<html><p>Not found</p></html>"])
def test_an_unknown_format_names_the_known_ones(tmp_path: Path, text: str) -> None:
    (tmp_path / "data").write_text(text)
    with pytest.raises(
        OpticalError, match=r"data is in no known format\. Name one of beir, .*mkqa.* as in trec:FILE"
    ):
        read_passages(tmp_path / "data")


def test_an_unknown_prefix_names_the_known_ones() -> None:
    with pytest.raises(
        OpticalError, match=r"hugging in hugging:a/b is no known format\. Name one of .*ir_datasets"
    ):
        read_queries("hugging:a/b")


def test_what_is_not_there(tmp_path: Path) -> None:
    for source in (tmp_path / "a.json", f"{tmp_path}/a.json#en", f"squad:{tmp_path}/a.json"):
        with pytest.raises(OpticalError, match=r"a\.json(#en)? does not exist\. Check the path"):
            read_queries(source)


def test_names_with_a_hash_or_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a#b.tsv", "trec:a.tsv", "other:a.tsv"):
        Path(name).write_text("1\tA river.\n")
        assert read_queries(name) == {"1": "A river."}


def test_a_part_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\tA river.\n")
    with pytest.raises(OpticalError, match=r"a\.tsv has no parts to choose from\. Remove #sw"):
        read_queries(f"{tmp_path}/a.tsv#sw")


def test_splits_of_a_beir_folder(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "1", "text": "A river."}) + "\n")
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "river"}) + "\n")
    (tmp_path / "qrels").mkdir()
    for split, relevance in (("train", 2), ("test", 1)):
        lines = f"query-id\tcorpus-id\tscore\nq\t1\t{relevance}\n"
        (tmp_path / "qrels" / f"{split}.tsv").write_text(lines)
    assert read_judgements(tmp_path) == {"q": {"1": 1}}
    assert read_judgements(f"{tmp_path}#train") == {"q": {"1": 2}}
    assert read_queries(f"beir:{tmp_path}#train") == {"q": "river"}
    with pytest.raises(OpticalError, match=r"has no qrels/dev\.tsv"):
        read_judgements(f"{tmp_path}#dev")


def test_a_json_file_that_breaks_off_is_named_with_line_and_character(tmp_path: Path) -> None:
    text = '{"data": [\n\n  {"title": "a",\n   "paragraphs": [{"context": "b" "qas": []}]}]}'
    for content, line, character in ((text, 4, 35), (text[:30], 4, 2)):
        (tmp_path / "dev.json").write_text(content)
        with pytest.raises(OpticalError, match=rf"dev\.json:{line}: not JSON at character {character} "):
            list(read_passages(tmp_path / "dev.json"))
