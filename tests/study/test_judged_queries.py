"""Sets of judged queries in the formats that they come in: MS MARCO's tab-separated files, and a folder of BEIR."""

import json
from pathlib import Path

import pytest

from optical.bitext.leakage import NearCopies
from optical.collections import read_judgements, read_passages, read_queries, read_run
from optical.errors import OpticalError
from optical.study.judged_queries import JudgedSet, PreparedSet, prepare_judged_queries

MARCO = JudgedSet(
    queries="mmarco/queries.{language}.tsv",
    passages="mmarco/collection.tsv",
    judgements="mmarco/qrels.train.tsv",
    translations="mmarco/queries.en.tsv",
    negatives="mmarco/run.trec",
)
WIKI = JudgedSet("wiki/{language}", "wiki/{language}", "wiki/{language}/qrels/train.tsv")
NOTHING = NearCopies([])


def write(folder: Path, **files: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(
        tmp_path / "mmarco",
        **{
            "queries.sw.tsv": [
                "121\tmto upi ni mrefu",
                "122\tsoko liko wapi",
                "123\tnani rais",
                "9\tbila hukumu",
            ],
            "queries.en.tsv": [
                "121\twhich river is long",
                "122\twhere is the market",
                "123\twho is president",
            ],
            "collection.tsv": ["0\tThe river.", "7\tThe market.", "8\tThe president.", "70\tThe road."],
            # TREC's four columns, as MS MARCO has them; 55 is a query of another file.
            "qrels.train.tsv": ["121\t0\t0\t1", "122\t0\t7\t1", "123\t0\t8\t1", "55\t0\t70\t1"],
            "run.trec": ["121 Q0 70 1 2.5 bm25", "121 Q0 0 2 1.5 bm25", "55 Q0 8 1 1.0 bm25"],
        },
    )
    records = [{"_id": "1", "text": "ni mji mkuu"}, {"_id": "2", "text": "ni mto mrefu"}]
    passages = [{"_id": str(n), "title": title, "text": "It is."} for n, title in enumerate(["A", "B", "C"])]
    write(
        tmp_path / "wiki" / "sw",
        **{
            "queries.jsonl": [json.dumps(record) for record in records],
            "corpus.jsonl": [json.dumps(passage) for passage in passages],
            "qrels__train.tsv": ["query-id\tcorpus-id\tscore", "1\t0\t2", "1\t1\t1", "1\t2\t0", "2\t1\t2"],
        },
    )
    return tmp_path


def prepare(
    declared: JudgedSet, data: Path, copies: NearCopies = NOTHING, language: str = "sw"
) -> PreparedSet:
    return prepare_judged_queries(declared, language, data, data / "made", copies)


def test_files_of_ms_marco(data: Path) -> None:
    assert MARCO.is_there("sw", data)
    assert not MARCO.is_there("ha", data)
    made = prepare(MARCO, data)
    assert (made.queries, sum(made.dropped.values())) == (3, 0)
    folder = data / "made"
    assert read_queries(folder / "queries.jsonl") == {
        "121": "mto upi ni mrefu",
        "122": "soko liko wapi",
        "123": "nani rais",
    }
    assert read_queries(folder / "translations.jsonl") == read_queries(data / "mmarco" / "queries.en.tsv")
    assert read_judgements(folder / "qrels.tsv") == {"121": {"0": 1}, "122": {"7": 1}, "123": {"8": 1}}
    # Only the run of another file's query is gone: what is relevant in it is for the training to know.
    assert read_run(folder / "negatives.run") == {"121": {"70": 2.5, "0": 1.5}}
    assert {passage.id for passage in read_passages(folder / "corpus.jsonl")} == {"0", "7", "8", "70"}


def test_a_folder_of_beir_with_levels_and_titles(data: Path) -> None:
    assert prepare(WIKI, data).queries == 2
    folder = data / "made"
    assert sorted(path.name for path in folder.iterdir()) == ["corpus.jsonl", "qrels.tsv", "queries.jsonl"]
    assert read_judgements(folder / "qrels.tsv") == {"1": {"0": 2, "1": 1}, "2": {"1": 2}}
    assert {passage.id: passage.content for passage in read_passages(folder / "corpus.jsonl")} == {
        "0": "A It is.",
        "1": "B It is.",
    }


@pytest.mark.parametrize("question", ["Mto upi ni mrefu?", "Which river is long!"])
def test_near_copies_of_test_questions_are_left_out_whichever_side_shows_it(
    data: Path, question: str
) -> None:
    made = prepare(MARCO, data, NearCopies([question]))
    assert (made.queries, made.dropped["near copies of test questions"]) == (2, 1)
    assert "121" not in read_queries(data / "made" / "queries.jsonl")
    assert "0" not in {passage.id for passage in read_passages(data / "made" / "corpus.jsonl")}


def test_a_sample_is_the_same_in_every_language_and_part_of_a_larger_one(data: Path) -> None:
    lines = [f"{number}\tsawa {number}" for number in (121, 122, 123)]
    write(data / "mmarco", **{"queries.ha.tsv": lines[::-1]})
    drawn = {}
    for language in ("sw", "ha"):
        for sample in (1, 2):
            made = prepare(JudgedSet(**{**vars(MARCO), "sample": sample}), data, language=language)
            assert (made.queries, made.dropped["beyond the sample"]) == (sample, 3 - sample)
            drawn[language, sample] = set(read_queries(data / "made" / "queries.jsonl"))
    assert drawn["sw", 1] == drawn["ha", 1] < drawn["sw", 2] == drawn["ha", 2]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("queries.sw.tsv", "soko liko", "duka liko"),
        ("queries.en.tsv", "market", "shop"),
        ("collection.tsv", "The road", "A road"),
        ("qrels.train.tsv", "122\t0\t7\t1", "122\t0\t70\t1"),
        ("run.trec", "2.5", "3.5"),
    ],
)
def test_the_digest_names_all_that_is_learned_from(data: Path, file: str, old: str, new: str) -> None:
    before = prepare(MARCO, data).digest
    assert prepare(MARCO, data).digest == before
    path = data / "mmarco" / file
    text = path.read_text("utf-8")
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert path.read_text("utf-8") != text
    assert prepare(MARCO, data).digest != before


def test_the_digest_does_not_name_what_is_never_read(data: Path) -> None:
    before = prepare(MARCO, data).digest
    with (data / "mmarco" / "collection.tsv").open("a", encoding="utf-8") as file:
        file.write("71\tNobody asks for it.\n")
    assert prepare(MARCO, data).digest == before


@pytest.mark.parametrize(
    ("declared", "changed", "said"),
    [
        (MARCO, {"passages": "mmarco/colection.tsv"}, "Did you mean collection.tsv?"),
        (
            MARCO,
            {"passages": "mmarco/queries.en.tsv"},
            "lacks 4 of the judged or ranked passages; the first is",
        ),
        (MARCO, {"judgements": "wiki/sw/qrels/train.tsv"}, "None of the 4 queries in"),
        (MARCO, {"negatives": "/run.trec"}, "/run.trec is absolute. Name files relative to --data"),
        (
            WIKI,
            {"judgements": "wiki/{language}/qrels/test.tsv"},
            "test.tsv does not exist. Known are: train.tsv",
        ),
    ],
)
def test_files_that_do_not_do_are_named(
    data: Path, declared: JudgedSet, changed: dict[str, str], said: str
) -> None:
    with pytest.raises(OpticalError) as refusal:
        prepare(JudgedSet(**{**vars(declared), **changed}), data)
    assert said in str(refusal.value)
    assert not (data / "made").exists()


def test_a_set_of_nothing_but_near_copies_is_refused(data: Path) -> None:
    copies = NearCopies(["mto upi ni mrefu", "soko liko wapi", "nani rais"])
    with pytest.raises(OpticalError, match="3 are near copies of test questions"):
        prepare(MARCO, data, copies)
