"""Sets of judged queries in the formats that they come in: MS MARCO's tab-separated files, and a folder of BEIR."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from optical.collections import collection, read_judgements, read_passages, read_queries, read_run
from optical.errors import OpticalError
from optical.study.judged_queries import JudgedSet, PreparedSet, prepare_judged_queries
from optical.supervision import JudgedQueries, read_judged_queries

MARCO = JudgedSet(
    queries="mmarco/queries.{language}.tsv",
    passages="mmarco/collection.tsv",
    judgements="mmarco/qrels.train.tsv",
    translations="mmarco/queries.en.tsv",
    negatives="mmarco/run.trec",
)
WIKI = JudgedSet("wiki/{language}", "wiki/{language}", "wiki/{language}/qrels/train.tsv")


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
            "run.trec": [
                *("121 Q0 70 1 2.5 bm25", "121 Q0 0 2 1.5 bm25", "55 Q0 8 1 1.0 bm25"),
                *("122 Q0 70 1 0.5 bm25", "123 Q0 70 1 0.5 bm25"),
            ],
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
    declared: JudgedSet, data: Path, *asked: str, language: str = "sw", depth: int = 50
) -> PreparedSet:
    """Prepare one language, where no other has been, and lay its files into ``made``."""
    made = prepare_judged_queries(declared, {language: asked}, data, data / "work", depth)
    shutil.rmtree(data / "made", ignore_errors=True)
    (data / "work" / language).rename(data / "made")
    return made[language]


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
    # Neither the run of another file's query nor what is relevant.
    assert read_run(folder / "negatives.run") == {"121": {"70": 2.5}, "122": {"70": 0.5}, "123": {"70": 0.5}}
    assert {passage.id for passage in read_passages(folder / "corpus.jsonl")} == {"0", "7", "8", "70"}


def test_a_ranking_is_cut_where_training_stops_to_look(data: Path) -> None:
    passages = [f"{number}\tPassage {number}." for number in range(100, 110)]
    with (data / "mmarco" / "collection.tsv").open("a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in passages)
    # In the order of a file that is not sorted; the relevant passage 0 is the second best.
    lines = [f"121 Q0 {number} 1 {number} bm25" for number in range(100, 110)] + ["121 Q0 0 1 108.5 bm25"]
    write(data / "mmarco", **{"run.trec": lines})
    training = {"translations": data / "mmarco" / "queries.en.tsv", "depth": 3}
    queries = data / "mmarco" / "queries.sw.tsv"
    whole = (queries, data / "mmarco" / "collection.tsv", data / "mmarco" / "qrels.train.tsv")
    learned = read_judged_queries(*whole, negatives=data / "mmarco" / "run.trec", **training)  # type: ignore[arg-type]
    prepare(MARCO, data, depth=3)
    made = data / "made"
    assert read_run(made / "negatives.run") == {"121": {"109": 109, "108": 108, "107": 107}}
    assert {passage.id for passage in read_passages(made / "corpus.jsonl")} == {
        *("0", "7", "8"),
        *("107", "108", "109"),
    }
    again = read_judged_queries(
        *(made / name for name in ("queries.jsonl", "corpus.jsonl", "qrels.tsv")),
        negatives=made / "negatives.run",
        **training,  # type: ignore[arg-type]
    )

    def contents(examples: JudgedQueries) -> dict[str, list[str]]:
        return {
            query: [examples.passages[passage] for passage in negatives]
            for query, negatives in zip(examples.queries, examples.negatives, strict=True)
        }

    assert contents(again) == contents(learned)


def test_a_file_of_passages_is_read_once_for_all_languages_and_not_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(data / "mmarco", **{"queries.ha.tsv": ["122\tkasuwa ina", "123\twane ne shugaba"]})
    read = []
    contents = collection.Collection.contents

    def count(self: collection.Collection, wanted: set[str] | None) -> Mapping[str, str]:
        read.append(self)
        return contents(self, wanted)

    monkeypatch.setattr(collection.Collection, "contents", count)
    asked = {"sw": ["swali"], "yo": [], "ha": ["tambaya"]}

    def made(depth: int = 50) -> dict[str, PreparedSet]:
        return prepare_judged_queries(MARCO, asked, data, data / "work", depth)

    first = made()
    assert {language: each.queries for language, each in first.items()} == {"sw": 3, "ha": 2}
    assert {path.name for path in (data / "work").iterdir()} == {"sw", "ha"}
    assert len(read) == 1
    assert made() == first
    assert len(read) == 1
    # Another question of a test, another depth, a file written again, and one that changed in a single language.
    asked["ha"] = ["Wane ne shugaba?"]
    assert made()["ha"].queries == 1
    assert len(read) == 2
    made(depth=1)
    assert len(read) == 3
    os.utime(data / "mmarco" / "collection.tsv", (1, 1))
    made(depth=1)
    assert len(read) == 4
    with (data / "mmarco" / "queries.sw.tsv").open("a", encoding="utf-8") as file:
        file.write("55\tbarabara\n")
    assert made(depth=1)["sw"].queries == 4
    assert len(read) == 5


def test_each_language_may_have_passages_of_its_own(data: Path) -> None:
    shutil.copytree(data / "wiki" / "sw", data / "wiki" / "ha")
    corpus = data / "wiki" / "ha" / "corpus.jsonl"
    corpus.write_text(corpus.read_text("utf-8").replace("It is.", "It was."), "utf-8")
    prepare_judged_queries(WIKI, {"sw": [], "ha": []}, data, data / "work", 50)
    for language, text in (("sw", "It is."), ("ha", "It was.")):
        passages = read_passages(data / "work" / language / "corpus.jsonl")
        assert [passage.content for passage in passages] == [f"A {text}", f"B {text}"]


def test_a_folder_of_beir_with_levels_and_titles(data: Path) -> None:
    assert prepare(WIKI, data).queries == 2
    folder = data / "made"
    assert {path.name for path in folder.iterdir()} == {
        *("corpus.jsonl", "qrels.tsv", "queries.jsonl"),
        "stamp.json",
    }
    assert read_judgements(folder / "qrels.tsv") == {"1": {"0": 2, "1": 1}, "2": {"1": 2}}
    assert {passage.id: passage.content for passage in read_passages(folder / "corpus.jsonl")} == {
        "0": "A It is.",
        "1": "B It is.",
    }


@pytest.mark.parametrize("question", ["Mto upi ni mrefu?", "Which river is long!"])
def test_near_copies_of_test_questions_are_left_out_whichever_side_shows_it(
    data: Path, question: str
) -> None:
    made = prepare(MARCO, data, question)
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
        ("run.trec", "121 Q0 70", "121 Q0 8"),
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
        (MARCO, {"negatives": "mmarco/other.trec"}, "has no negative for any of the 3 judged queries"),
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
    # A run of other queries, and one of nothing but what is relevant.
    lines = ["77 Q0 70 1 2.5 bm25", "122 Q0 7 1 1.0 bm25"]
    write(data / "mmarco", **{"other.trec": lines})
    with pytest.raises(OpticalError) as refusal:
        prepare(JudgedSet(**{**vars(declared), **changed}), data)
    assert said in str(refusal.value)
    assert not (data / "work").exists()


def test_a_set_of_nothing_but_near_copies_is_refused(data: Path) -> None:
    with pytest.raises(OpticalError, match="3 are near copies of test questions"):
        prepare(MARCO, data, "mto upi ni mrefu", "soko liko wapi", "nani rais")
