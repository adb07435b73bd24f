"""MKQA, AfriQA, CIRAL and AfriCLIRMatrix: lines of JSON, each with its own names."""

import gzip
import json
from pathlib import Path

import pytest

from optical.collections import Passage, open_collection, read_judgements, read_passages, read_queries
from optical.errors import OpticalError

MKQA = [
    {
        "example_id": -5632601434,
        "query": "who tamed the cheetah",
        "queries": {"en": "who tamed the cheetah", "fi": "kuka kesytti gepardin", "zh_cn": "谁驯服了猎豹"},
        "answers": {"en": [{"type": "unanswerable", "text": None}]},
    },
    {
        "example_id": 12,
        "query": "how deep is the lake",
        "queries": {"en": "how deep is the lake", "fi": "kuinka syvä järvi on", "zh_cn": "湖有多深"},
        "answers": {"en": [{"type": "number_with_unit", "text": "14 metres"}]},
    },
]
QUESTIONS = [
    {
        "id": 0,
        "question": "Ziwa lina kina gani?",
        "translated_question": "How deep is the lake?",
        "answers": "['mita 14']",
        "lang": "swa",
        "split": "test",
        "translated_answer": "['14 metres']",
        "translation_type": "human_translation",
    },
    {
        "id": 1,
        "question": "Nani alifuga duma?",
        "translated_question": "Who tamed the cheetah?",
        "lang": "swa",
    },
]
GOLD = [
    {
        "id": "0",
        "question_lang": "Ziwa lina kina gani?",
        "question_translated": "How deep is the lake?",
        "title": "The lake",
        "context": "The lake is 14 metres deep and has many fish.",
        "answer_pivot": {"answer_start": [12], "text": ["14 metres"]},
        "answer_lang": "mita 14",
    },
    {
        "id": "1",
        "question_lang": "Nani alifuga duma?",
        "question_translated": "Who tamed the cheetah?",
        "title": "Cheetah",
        "context": "It was kept by hunters.",
    },
    {
        "id": "2",
        "question_lang": "Ziwa lina samaki?",
        "question_translated": "Has the lake fish?",
        "title": "The lake",
        "context": "The lake is 14 metres deep and has many fish.",
    },
    {
        "id": "1",
        "question_lang": "Nani alifuga duma?",
        "question_translated": "Who tamed the cheetah?",
        "title": "Hunting",
        "context": "Some hunters kept cheetahs.",
    },
]


def write(path: Path, records: list[dict[str, object]]) -> Path:
    content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_mkqa(tmp_path: Path) -> None:
    path = write(tmp_path / "mkqa.jsonl.gz", MKQA)
    assert open_collection(path).languages() == ["en", "fi", "zh_cn"]
    assert open_collection(path).queries("fi") == {
        "-5632601434": "kuka kesytti gepardin",
        "12": "kuinka syvä järvi on",
    }
    assert read_queries(f"{path}#zh_cn") == {"-5632601434": "谁驯服了猎豹", "12": "湖有多深"}
    assert read_queries(f"mkqa:{path}#en")["12"] == "how deep is the lake"


def test_mkqa_needs_a_language_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "mkqa.jsonl", MKQA)
    with pytest.raises(
        OpticalError, match=r"has queries in 3 languages\. Name one of en, fi, zh_cn, as in .*#zh_cn"
    ):
        read_queries(path)
    with pytest.raises(OpticalError, match=r"has no queries in 'sw'\. Name one of en, fi, zh_cn"):
        read_queries(f"{path}#sw")
    with pytest.raises(
        OpticalError, match=r"is read as MKQA jsonl and has no passages\. Name another source"
    ):
        list(read_passages(path))
    with pytest.raises(OpticalError, match="has no judgements"):
        read_judgements(path)


def test_mkqa_with_a_language_missing_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "mkqa.jsonl", [MKQA[0], {**MKQA[1], "queries": {"en": "how deep"}}])
    with pytest.raises(OpticalError, match=r"mkqa\.jsonl:2: queries\.fi is missing"):
        read_queries(f"{path}#fi")


def test_afriqa_questions(tmp_path: Path) -> None:
    path = write(tmp_path / "queries.afriqa.swa.en.test.json", QUESTIONS)
    assert read_queries(path) == {"0": "Ziwa lina kina gani?", "1": "Nani alifuga duma?"}
    assert read_queries(f"{path}#en") == {"0": "How deep is the lake?", "1": "Who tamed the cheetah?"}
    with pytest.raises(OpticalError, match=r"as they were asked, and in English as .*#en\. Leave out 'yo'"):
        read_queries(f"{path}#yo")
    with pytest.raises(
        OpticalError, match="has no passages and judgements, which the files gold_span_passages"
    ):
        list(read_passages(path))


def test_afriqa_gold_passages(tmp_path: Path) -> None:
    path = write(tmp_path / "gold_span_passages.afriqa.swa.en.test.json", GOLD)
    assert list(read_passages(path)) == [
        Passage("0", "The lake is 14 metres deep and has many fish.", "The lake"),
        Passage("1", "It was kept by hunters.", "Cheetah"),
        Passage("3", "Some hunters kept cheetahs.", "Hunting"),
    ]
    assert read_queries(path) == {
        "0": "Ziwa lina kina gani?",
        "1": "Nani alifuga duma?",
        "2": "Ziwa lina samaki?",
    }
    assert open_collection(path).queries("en")["2"] == "Has the lake fish?"
    assert read_judgements(path) == {"0": {"0": 1}, "1": {"1": 1, "3": 1}, "2": {"0": 1}}


def test_afriqa_repetitions(tmp_path: Path) -> None:
    other = {**GOLD[1], "id": "0"}
    with pytest.raises(OpticalError, match=r"a\.json:2: question_lang: the query id 0 occurs before"):
        read_queries(write(tmp_path / "a.json", [GOLD[0], other]))
    with pytest.raises(OpticalError, match=r"b\.json:2: query 0 judges passage 0 again"):
        read_judgements(write(tmp_path / "b.json", [GOLD[0], GOLD[0]]))
    with pytest.raises(OpticalError, match=r"c\.json:2: question: the query id 0 occurs before"):
        read_queries(write(tmp_path / "c.json", [QUESTIONS[0], QUESTIONS[0]]))


def test_ciral(tmp_path: Path) -> None:
    passages = [
        {"docid": "DOCID#0#0", "title": "Kogi", "text": "Kogin ya cika.", "url": "https://news.invalid/1"},
        {"docid": "DOCID#0#1", "title": "", "text": "Ruwa ya sauka.", "url": "https://news.invalid/1"},
    ]
    path = write(tmp_path / "hausa_passages.jsonl", passages)
    assert list(read_passages(path)) == [
        Passage("DOCID#0#0", "Kogin ya cika.", "Kogi"),
        Passage("DOCID#0#1", "Ruwa ya sauka."),
    ]
    (tmp_path / "topics.ciral-v1.0-ha-dev.tsv").write_text("4\tDid the river flood?\n")
    (tmp_path / "qrels.ciral-v1.0-ha-dev.tsv").write_text("4 Q0 DOCID#0#0 1\n4 Q0 DOCID#0#1 0\n")
    assert read_queries(tmp_path / "topics.ciral-v1.0-ha-dev.tsv") == {"4": "Did the river flood?"}
    assert read_judgements(tmp_path / "qrels.ciral-v1.0-ha-dev.tsv") == {
        "4": {"DOCID#0#0": 1, "DOCID#0#1": 0}
    }


def test_africlirmatrix(tmp_path: Path) -> None:
    path = write(tmp_path / "corpus.jsonl.gz", [{"id": "62443", "contents": "Odò ńlá ni."}])
    assert list(read_passages(path)) == [Passage("62443", "Odò ńlá ni.")]
    (tmp_path / "topics.tsv").write_text("591865\tRiver\n")
    (tmp_path / "qrels.txt").write_text("591865 0 62443 6\n")
    assert read_queries(tmp_path / "topics.tsv") == {"591865": "River"}
    assert read_judgements(tmp_path / "qrels.txt") == {"591865": {"62443": 6}}


def test_passages_stream_and_repeated_ids_are_found(tmp_path: Path) -> None:
    record: dict[str, object] = {"id": "1", "contents": "Odò."}
    passages = read_passages(
        write(tmp_path / "corpus.jsonl", [record, {"id": "2", "contents": "Omi."}, record])
    )
    assert [next(passages).id, next(passages).id] == ["1", "2"]
    with pytest.raises(OpticalError, match=r"corpus\.jsonl:3: the passage id 1 occurs before"):
        next(passages)


LINE = '{"docid": "1", "title": "T", "text": "Kogi"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((LINE + '{"docid": "2", "text" "Ruwa"}\n').encode(), r"p\.jsonl:2: not JSON at character 23"),
        ((LINE + '{"docid": "2", "te').encode(), r"p\.jsonl:2: not JSON at character 16"),
        ((LINE + '{"docid": "2"}\n').encode(), r"p\.jsonl:2: text is missing"),
        ((LINE + '{"docid": "", "text": "Ruwa"}\n').encode(), r"p\.jsonl:2: the passage id is empty"),
        (
            (LINE + '{"docid": 2.5, "text": "Ruwa"}\n').encode(),
            r"p\.jsonl:2: docid is 2\.5 instead of a string",
        ),
        ((LINE + "[" * 100_000).encode(), r"p\.jsonl:2"),
        ((LINE + '{"docid": ' + "1" * 5000).encode(), r"p\.jsonl:2"),
        (LINE.encode() + b"\0\n", r"p\.jsonl:2: a NUL character"),
        (LINE.encode() + b'{"docid": "2", "text": "\xff"}', r"p\.jsonl:2: not UTF-8 at byte 25"),
    ],
)
def test_bad_lines(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "p.jsonl").write_bytes(content)
    passages = read_passages(tmp_path / "p.jsonl")
    assert next(passages).id == "1"
    with pytest.raises(OpticalError, match=message):
        list(passages)


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(b"\xef\xbb\xbf" + LINE.replace("\n", "\r\n").encode() * 1 + b"\r\n")
    assert list(read_passages(tmp_path / "p.jsonl")) == [Passage("1", "Kogi", "T")]


def test_truncated_gzip(tmp_path: Path) -> None:
    lines = "".join(LINE.replace('"1"', f'"{number}"') for number in range(5000))
    whole = gzip.compress(lines.encode())
    (tmp_path / "p.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OpticalError, match=r"p\.jsonl\.gz:\d+: broken gzip from here on"):
        list(read_passages(tmp_path / "p.jsonl.gz"))
