"""The index as its users see it: build, open, change, search, move, and what goes wrong."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from random import Random

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Router

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Hit, Index

from ..conftest import largest_file

WORDS = [
    "water",
    "river",
    "house",
    "child",
    "doctor",
    "hospital",
    "market",
    "food",
    "maize",
    "rice",
    "fish",
    "cow",
]
QUERY = "where is the river market"


def passage(number: int, seed: int = 0) -> Passage:
    random = Random(f"{number} {seed}")
    words = random.choices(WORDS, k=random.randint(2, 25))
    return Passage(f"p{number}", f"{' '.join(words)} {seed}", title=words[0] if number % 2 else "")


PASSAGES = [passage(number) for number in range(40)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(path: Path, tiny_teacher: MultiVectorEncoder) -> Iterator[Index]:
    with Index.create(path, tiny_teacher, PASSAGES) as made:
        yield made


def ranking(encoder: MultiVectorEncoder, query: str, passages: list[Passage]) -> dict[str, float]:
    documents = [each.half().float() for each in encoder.encode_document([each.content for each in passages])]
    scores = encoder.similarity(encoder.encode_query([query]), documents)[0].tolist()
    return dict(zip([each.id for each in passages], scores, strict=True))


def assert_agrees(
    hits: list[Hit], encoder: MultiVectorEncoder, passages: list[Passage], query: str = QUERY
) -> None:
    expected = ranking(encoder, query, passages)
    by_id = {each.id: each for each in passages}
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-4)
    assert [hit.rank for hit in hits] == list(range(1, len(passages) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all((hit.title, hit.text) == (by_id[hit.id].title, by_id[hit.id].text) for hit in hits)


def test_search_agrees_with_sentence_transformers(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    queries = [QUERY, "who is the doctor", "fish", "maize and rice in the city"]
    results = index.search_many(queries, tiny_teacher, k=40)
    for query, hits in zip(queries, results, strict=True):
        assert_agrees(hits, tiny_teacher, PASSAGES, query)
    alone = index.search(QUERY, tiny_teacher, k=3)
    assert [hit.id for hit in alone] == [hit.id for hit in results[0][:3]]
    assert index.search_many([], tiny_teacher) == []


def test_passages_may_be_a_generator_longer_than_a_chunk(
    path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    many = [passage(number) for number in range(80)]
    with Index.create(path, tiny_teacher, iter(many), batch_size=2, progress=True) as index:
        assert_agrees(index.search(QUERY, tiny_teacher, k=80), tiny_teacher, many)


def test_an_artefact_searches_its_teachers_index_and_another_teacher_does_not(
    index: Index, path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    student = copy.deepcopy(tiny_teacher)
    with torch.no_grad():
        student[1].linear.weight += 0.01
    router = Router.for_query_document(list(student.children()), list(tiny_teacher.children()))
    artefact = MultiVectorEncoder(modules=[router], device="cpu")
    assert_agrees(index.search(QUERY, artefact, k=40), artefact, PASSAGES)
    for act in (
        lambda: index.search(QUERY, student, k=1),
        lambda: index.add([Passage("new", "a river")], student),
    ):
        with pytest.raises(
            OpticalError, match="distilled from the teacher that built this index, or rebuild"
        ) as caught:
            act()
        assert index.info["teacher"] in str(caught.value)
    assert index.count == 40
    long = " ".join(["river"] * 70)
    with pytest.raises(OpticalError, match=r"72 tokens.* 64 "):
        index.search(long, artefact)


def test_changes_agree_with_a_dict_across_reopening(path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    random = Random(1)
    model = {each.id: each for each in PASSAGES[:10]}
    index = Index.create(path, tiny_teacher, model.values())
    for step in range(12):
        action = random.choice(["add", "add", "delete", "flush", "reopen"])
        if action == "add":
            fresh = [passage(number, step) for number in random.sample(range(20), 3)]
            index.add(fresh, tiny_teacher)
            model |= {each.id: each for each in fresh}
        elif action == "delete" and len(model) > 4:
            gone = random.sample(sorted(model), 4)
            index.delete(gone)
            model = {id_: each for id_, each in model.items() if id_ not in gone}
        elif action == "flush":
            index.flush()
        elif action == "reopen":
            index.close()
            index = Index.open(path)
        assert index.count == len(model)
        assert_agrees(index.search(QUERY, tiny_teacher, k=len(model)), tiny_teacher, list(model.values()))
    index.close()


def test_info(index: Index, path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    info = index.info
    vectors = tiny_teacher.encode_document([each.content for each in PASSAGES])
    assert (info["passages"], info["dimension"]) == (40, 16)
    assert info["token_vectors"] == sum(map(len, vectors))
    assert info["bytes"] > 2 * 16 * info["token_vectors"]
    assert info["versions"]["torch"] == torch.__version__
    assert info["created"].endswith("+00:00")


def test_a_moved_index_works_and_names_no_absolute_path(path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    with Index.create(path, tiny_teacher, PASSAGES) as index:
        before = index.search(QUERY, tiny_teacher, k=5)
    moved = path.parent / "else where" / "moved"
    moved.parent.mkdir()
    path.rename(moved)
    with Index.open(moved) as index:
        assert index.search(QUERY, tiny_teacher, k=5) == before
        index.add([passage(77)], tiny_teacher)
    for file in moved.rglob("*"):
        assert file.is_dir() or str(path.parent).encode() not in file.read_bytes()


OTHER_PROCESS = """
import os, signal, sys
from sentence_transformers import MultiVectorEncoder
from optical.collections import Passage
from optical.index import Index
encoder = MultiVectorEncoder(sys.argv[2], device="cpu")
index = Index.open(sys.argv[1])
for hit in index.search(sys.argv[3], encoder, k=40):
    print(hit.id, repr(hit.score), hit.rank, sep="\\t")
sys.stdout.flush()
index.add([Passage("kept", "a river and a market"), Passage("p3", "replaced")], encoder)
index.delete(["p4"])
index.flush()
index.add([Passage("lost", "water"), Passage("p5", "lost")], encoder)
index.delete(["p6"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_another_process_finds_the_same_and_leaves_what_it_flushed_when_killed(
    path: Path, tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    with Index.create(path, tiny_teacher, PASSAGES) as index:
        hits = index.search(QUERY, tiny_teacher, k=40)
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, str(path), str(tmp_path / "teacher"), QUERY],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(id_, int(rank)) for id_, _, rank in found] == [(hit.id, hit.rank) for hit in hits]
    assert [float(score) for _, score, _ in found] == pytest.approx([hit.score for hit in hits], abs=1e-5)
    left = {each.id: each for each in PASSAGES if each.id != "p4"}
    left |= {"p3": Passage("p3", "replaced"), "kept": Passage("kept", "a river and a market")}
    with Index.open(path) as index:
        assert_agrees(index.search(QUERY, tiny_teacher, k=len(left)), tiny_teacher, list(left.values()))
        index.add([Passage("p5", "again"), Passage("lost", "found")], tiny_teacher)
        assert index.count == len(left) + 1


@pytest.mark.parametrize("engine_flushed", [False, True])
def test_a_flush_cut_short_is_settled_one_way_or_the_other(
    path: Path, tiny_teacher: MultiVectorEncoder, engine_flushed: bool
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    cut = Index.open(path)
    cut.add([Passage("p1", "replaced"), Passage("new", "a new house")], tiny_teacher)
    cut.delete(["p2"])
    cut._store.commit()
    if engine_flushed:
        cut._engine.flush()
    with Index.open(path) as reader:  # the writer lives, so the reader must leave its change alone
        reader.search(QUERY, tiny_teacher, k=10)
    cut._abandon()
    expected = {each.id: each for each in PASSAGES}
    if engine_flushed:
        expected |= {"p1": Passage("p1", "replaced"), "new": Passage("new", "a new house")}
        del expected["p2"]
    for _ in range(2):
        with Index.open(path) as index:
            assert_agrees(
                index.search(QUERY, tiny_teacher, k=index.count), tiny_teacher, list(expected.values())
            )


def test_only_one_may_change_an_index_at_a_time(path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    with Index.open(path) as first, Index.open(path) as second:
        first.delete(["p1"])
        with pytest.raises(OpticalError, match="being changed by another process"):
            second.delete(["p2"])
        first.flush()
        with pytest.raises(OpticalError, match="was changed by another process"):
            second.delete(["p2"])
    with Index.open(path) as third:
        third.delete(["p2"])
        assert third.count == 38


def test_what_fails_changes_nothing(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    index.add([Passage("before", "kept")], tiny_teacher)
    before = [astuple(hit) for hit in index.search(QUERY, tiny_teacher, k=41)]

    def interrupted() -> Iterator[Passage]:
        yield from (passage(number, 9) for number in range(70))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add(interrupted(), tiny_teacher, batch_size=1)
    with pytest.raises(OpticalError, match="'p60' occurs twice"):
        index.add([*(passage(number, 9) for number in range(70)), passage(60)], tiny_teacher, batch_size=1)
    with pytest.raises(OpticalError, match="no passage 'unknown'"):
        index.delete(["p1", "unknown"])
    with pytest.raises(OpticalError, match="no passage 'p50'"):
        index.delete(["p50"])
    assert [astuple(hit) for hit in index.search(QUERY, tiny_teacher, k=41)] == before


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (QUERY, 41, "k is 41, but the index holds 40 passages. Ask for at most 40"),
        (QUERY, 0, "k is 0"),
        ("  ", 1, "query is empty"),
        ("river " * 63, 1, "65 tokens, but this encoder reads 64"),
    ],
)
def test_unusable_searches_are_explained(
    index: Index, tiny_teacher: MultiVectorEncoder, query: str, k: int, message: str
) -> None:
    with pytest.raises(OpticalError, match=message):
        index.search(query, tiny_teacher, k=k)


def test_a_query_of_just_the_limit_is_searched(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    assert len(index.search("river " * 62, tiny_teacher)) == 10
    tiny_teacher[0].query_length = 8
    with pytest.raises(OpticalError, match="9 tokens, but this encoder reads 8"):
        index.search("river " * 7, tiny_teacher)


def test_create_refuses_what_exists_and_what_is_empty(path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    with pytest.raises(OpticalError, match="no passages"):
        Index.create(path, tiny_teacher, [])
    with pytest.raises(OpticalError, match="'p1' occurs twice"):
        Index.create(path, tiny_teacher, [passage(1), passage(2), passage(1)])
    assert list(path.parent.glob("*index*")) == []
    assert list(path.parent.glob(".index*")) == []
    path.mkdir()
    with pytest.raises(OpticalError, match="exists already"):
        Index.create(path, tiny_teacher, PASSAGES)


def test_a_closed_index_says_so(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    index.close()
    index.close()
    with pytest.raises(OpticalError, match="is closed"):
        index.search(QUERY, tiny_teacher)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def scribble(file: Path) -> None:
    file.write_bytes(b"no longer what it was" * 10)


@pytest.mark.parametrize("damage", [truncate, scribble, Path.unlink])
@pytest.mark.parametrize(
    "file", ["index.json", "passages.sqlite", "vectors/manifest.json", "*.f16", "*-rows.npz"]
)
def test_damage_is_reported_on_opening(
    path: Path, tiny_teacher: MultiVectorEncoder, damage: object, file: str
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    damage(next(each for each in path.rglob("*") if each.match(file)))  # type: ignore[operator]
    with pytest.raises(OpticalError, match=r"damaged|not an index"):
        Index.open(path)


def test_open_explains_what_is_not_an_index(
    path: Path, tmp_path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    with pytest.raises(OpticalError, match="no folder"):
        Index.open(path)
    path.mkdir()
    with pytest.raises(OpticalError, match="not an index"):
        Index.open(path)
    path.rmdir()
    Index.create(path, tiny_teacher, PASSAGES).close()
    manifest = json.loads((path / "index.json").read_text())
    (path / "index.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(OpticalError, match=r"newer version.*99.*Upgrade"):
        Index.open(path)


@pytest.mark.parametrize("size", [100, 3_000, 20_000, 30_000])
def test_a_disk_that_refuses_leaves_the_last_flush(
    path: Path, tiny_teacher: MultiVectorEncoder, size: int
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    pristine = path.parent / "pristine"
    shutil.copytree(path, pristine)
    index = Index.open(path)
    fresh = [Passage(f"new{number}", "river " * 60 + "x" * 800) for number in range(40)]

    def change() -> None:
        index.add(fresh, tiny_teacher)
        index.flush()

    with largest_file(size), pytest.raises(OpticalError, match="could not be written"):
        change()
    with pytest.raises(OpticalError, match="is closed"):
        index.search(QUERY, tiny_teacher)
    with Index.open(path) as index, Index.open(pristine) as other:
        assert index.search(QUERY, tiny_teacher, k=40) == other.search(QUERY, tiny_teacher, k=40)
        index.add(fresh, tiny_teacher)
        assert index.count == 80
    with largest_file(size), pytest.raises(OpticalError, match="could not be written"):
        Index.create(path.parent / "other", tiny_teacher, fresh)
    assert sorted(each.name for each in path.parent.iterdir()) == ["index", "pristine"]
