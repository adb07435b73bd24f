"""The index as its users see it: build, open, change, search, move, and what goes wrong."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Router

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Hit, Index
from optical.index.centroids import Sparse
from optical.index.folder import FolderPlace
from optical.index.local import LocalEngine

from ..conftest import copy_index, largest_file

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
def index(place: str, tiny_teacher: MultiVectorEncoder) -> Iterator[Index]:
    with Index.create(place, tiny_teacher, PASSAGES) as made:
        yield made


def ranking(encoder: MultiVectorEncoder, query: str, passages: list[Passage]) -> dict[str, float]:
    documents = [each.half().float() for each in encoder.encode_document([each.content for each in passages])]
    queries = [each.half().float() for each in encoder.encode_query([query])]
    scores = encoder.similarity(queries, documents)[0].tolist()
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
    place: str, tiny_teacher: MultiVectorEncoder
) -> None:
    many = [passage(number) for number in range(80)]
    with Index.create(place, tiny_teacher, iter(many), batch_size=2, progress=True) as index:
        assert_agrees(index.search(QUERY, tiny_teacher, k=80), tiny_teacher, many)


def test_an_artefact_searches_its_teachers_index_and_another_teacher_does_not(
    index: Index, tiny_teacher: MultiVectorEncoder
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


def test_info(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    info = index.info
    vectors = tiny_teacher.encode_document([each.content for each in PASSAGES])
    assert (info["passages"], info["dimension"]) == (40, 16)
    assert info["token_vectors"] == sum(map(len, vectors))
    assert info["bytes"] is None or info["bytes"] > 2 * 16 * info["token_vectors"]
    assert (info["centroids"], info["optimise_is_due"], info["fields"]) == (0, False, {})
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
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_another_process_finds_the_same_and_leaves_what_it_was_told_is_stored_when_killed(
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


def test_an_open_index_opens_nowhere_else_but_a_snapshot_may_be_read_beside_it(
    path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    with Index.snapshot(path) as reader, Index.open(path) as writer:
        for opening in (Index.open, Index.snapshot):
            with pytest.raises(OpticalError, match=r"is open already, here or in another process.*Close it"):
                opening(path)
        writer.delete(["p1"])
        assert (reader.count, writer.count) == (40, 39)
        assert_agrees(reader.search(QUERY, tiny_teacher, k=40), tiny_teacher, PASSAGES)
        place = reader._opened.place.folder
    assert not place.exists()
    with Index.open(path) as index:
        assert index.count == 39


def stopped_after(number: int) -> Iterator[Passage]:
    yield from (passage(each) for each in range(number))
    raise KeyboardInterrupt


def test_a_build_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(
    place: str, tiny_teacher: MultiVectorEncoder
) -> None:
    with pytest.raises(KeyboardInterrupt):
        Index.create(place, tiny_teacher, stopped_after(40), batch_size=1)
    assert not Index.exists(place)
    with pytest.raises(OpticalError, match=r"unfinished. Build it again with the same passages"):
        Index.open(place)
    other = copy.deepcopy(tiny_teacher)
    with torch.no_grad():
        other[1].linear.weight += 0.01
    with pytest.raises(OpticalError, match="was built with teacher"):
        Index.create(place, other, PASSAGES)
    encoded: list[str] = []
    encode = tiny_teacher.encode_document

    def watched(texts: list[str], **options: object) -> object:
        encoded.extend(texts)
        return encode(texts, **options)

    tiny_teacher.encode_document = watched  # type: ignore[method-assign]
    # Of the 32 stored passages p0 is not wanted any more, and p1 has another text.
    wanted = [passage(1, seed=5), *PASSAGES[2:]]
    index = Index.create(place, tiny_teacher, wanted)
    del tiny_teacher.encode_document
    assert sorted(encoded) == sorted(each.content for each in [wanted[0], *PASSAGES[32:]])
    assert_agrees(index.search(QUERY, tiny_teacher, k=index.count), tiny_teacher, wanted)
    index.close()
    assert Index.exists(place)


def test_what_fails_changes_nothing(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    index.add([Passage("before", "kept")], tiny_teacher)
    before = [astuple(hit) for hit in index.search(QUERY, tiny_teacher, k=41)]
    with pytest.raises(OpticalError, match="'p60' occurs twice"):
        index.add([*(passage(number, 9) for number in range(70)), passage(60)], tiny_teacher)
    with pytest.raises(OpticalError, match="no passage 'unknown'"):
        index.delete(["p1", "unknown"])
    with pytest.raises(OpticalError, match="no passage 'p50'"):
        index.delete(["p50"])
    with pytest.raises(OpticalError, match="holds no passage"):
        index.delete(["p1", "p\udcff"])
    with pytest.raises(OpticalError, match=r"'empty' is empty. Give it text, or leave it out"):
        index.add([passage(70), Passage("empty", " ")], tiny_teacher)
    index.delete([])
    assert [astuple(hit) for hit in index.search(QUERY, tiny_teacher, k=41)] == before


def changed(vectors: np.ndarray, how: str) -> np.ndarray:
    vectors = vectors.copy()
    if how == "wide":
        return np.concatenate([vectors, vectors], axis=1)
    if how == "none":
        return vectors[:0]
    vectors[-1] = {"nan": np.nan, "inf": np.inf, "zero": 0, "long": 2 * vectors[-1]}[how]
    return vectors


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nan", "'p51' has vectors with NaN or infinity"),
        ("inf", "'p51' has vectors with NaN or infinity"),
        ("zero", "'p51' has a token vector whose norm is 1 away from 1"),
        ("long", "'p51' has a token vector whose norm is 1 away from 1"),
        ("wide", r"'p51' has vectors of shape \(\d+, 32\), but this index takes \(tokens, 16\)"),
        ("none", "'p51' has no token vectors"),
    ],
)
def test_unusable_vectors_are_refused_before_anything_is_written(
    index: Index, tiny_teacher: MultiVectorEncoder, how: str, message: str
) -> None:
    encode = tiny_teacher.encode_document

    def broken(texts: list[str], **options: object) -> list[np.ndarray]:
        first, second = encode(texts, **options)
        return [first, changed(second, how)]

    tiny_teacher.encode_document = broken  # type: ignore[method-assign]
    with pytest.raises(OpticalError, match=message):
        index.add([passage(50), passage(51)], tiny_teacher)
    del tiny_teacher.encode_document
    assert_agrees(index.search(QUERY, tiny_teacher, k=40), tiny_teacher, PASSAGES)


def test_unusable_query_vectors_are_refused(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    encode = tiny_teacher.encode_query
    unusable = (("nan", "NaN"), ("inf", "infinity"), ("wide", r"takes \(n, 16\)"), ("none", "n at least 1"))
    for how, message in unusable:
        tiny_teacher.encode_query = (  # type: ignore[method-assign]
            lambda texts, how=how, **options: [changed(each, how) for each in encode(texts, **options)]
        )
        with pytest.raises(OpticalError, match=message):
            index.search(QUERY, tiny_teacher)


def test_a_query_of_zeros_is_refused(index: Index) -> None:
    with pytest.raises(OpticalError, match="zeros only"):
        index.search_vectors([torch.zeros(3, 16)])


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (QUERY, 0, "k is 0"),
        ("  ", 1, "query is empty"),
        ("river \udcff", 1, "not valid Unicode"),
        ("river " * 63, 1, "65 tokens, but this encoder reads 64"),
    ],
)
def test_unusable_searches_are_explained(
    index: Index, tiny_teacher: MultiVectorEncoder, query: str, k: int, message: str
) -> None:
    with pytest.raises(OpticalError, match=message):
        index.search(query, tiny_teacher, k=k)


def test_a_query_without_a_known_word_is_answered_with_a_warning(
    index: Index, tiny_teacher: MultiVectorEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    index.search("แม่น้ำ river", tiny_teacher)
    assert not caplog.records
    assert len(index.search("แม่น้ำ ใหญ่", tiny_teacher)) == 10
    assert "knows no word of 'แม่น้ำ ใหญ่'" in caplog.text


def test_more_results_than_there_are_passages_are_all(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    assert_agrees(index.search(QUERY, tiny_teacher, k=1000), tiny_teacher, PASSAGES)
    index.delete([each.id for each in PASSAGES[1:]])
    assert [hit.id for hit in index.search(QUERY, tiny_teacher)] == [PASSAGES[0].id]
    index.delete([PASSAGES[0].id])
    assert index.search(QUERY, tiny_teacher) == []


@pytest.mark.parametrize(
    ("unusable", "message"),
    [
        (Passage("", "the river"), "no id"),
        (Passage("p50", ""), "'p50' is empty"),
        (Passage("p50", "river \ud800"), "'p50' has half a character"),
        (Passage("p\udcff", "river"), "half a character"),
    ],
)
def test_passages_that_are_no_text_are_refused(
    index: Index, tiny_teacher: MultiVectorEncoder, unusable: Passage, message: str
) -> None:
    with pytest.raises(OpticalError, match=message):
        index.add([passage(49), unusable], tiny_teacher)
    assert index.count == len(PASSAGES)


def test_a_query_of_just_the_limit_is_searched(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    assert len(index.search("river " * 62, tiny_teacher)) == 10
    tiny_teacher[0].query_length = 8
    with pytest.raises(OpticalError, match="9 tokens, but this encoder reads 8"):
        index.search("river " * 7, tiny_teacher)


@pytest.mark.parametrize(
    ("part", "step", "passages"),
    [
        (LocalEngine, "flush", PASSAGES),
        (FolderPlace, "finish", PASSAGES),
        (FolderPlace, "finish", PASSAGES[:30]),
    ],
)
def test_a_build_that_fails_at_its_end_goes_on_with_the_same_passages_or_others(
    part: type,
    step: str,
    passages: list[Passage],
    path: Path,
    tiny_teacher: MultiVectorEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: object) -> None:
        raise OpticalError("the disk has gone")

    with monkeypatch.context() as patched:
        patched.setattr(part, step, fail)
        with pytest.raises(OpticalError, match="the disk has gone"):
            Index.create(path, tiny_teacher, PASSAGES)
    assert not Index.exists(path)
    Index.create(path, tiny_teacher, passages).close()
    assert json.loads((path / "index.json").read_text(encoding="utf-8"))["passages"] == len(passages)
    with Index.open(path) as index:
        assert index.count == len(passages)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are set by the resource module")
def test_what_the_system_refuses_is_no_damage(path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    import resource

    Index.create(path, tiny_teacher, PASSAGES).close()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened_already = len(list(Path("/dev/fd").iterdir()))
    told = ""
    for allowed in range(opened_already - 4, opened_already + 4):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, limits[1]))
        try:
            Index.open(path).close()
        except (OpticalError, OSError) as error:
            told += str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "It is not damaged: mend that" in told
    assert "is damaged" not in told
    with Index.open(path) as opened:
        assert opened.count == len(PASSAGES)


def test_an_index_on_a_full_disk_is_not_opened(
    path: Path, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    usage = shutil.disk_usage(path)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1 << 20))
        with pytest.raises(OpticalError, match="is full: 1 MB are free, and 32 MB are needed"):
            Index.open(path)
    with Index.open(path) as opened:
        assert opened.count == len(PASSAGES)


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
    os.truncate(file, file.stat().st_size // 2)


def scribble(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"no longer what it was" * 10)


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (truncate, "index.json"),
        (scribble, "index.json"),
        (Path.unlink, "index.json"),
        (truncate, "edge_config.json"),
        (scribble, "segment.json"),
        (Path.unlink, "segment.json"),
        (scribble, "mutable_id_tracker.mappings"),
        (Path.unlink, "payload_storage/page_0.dat"),
        (scribble, "wal/open-1"),
        (truncate, "vectors/status.dat"),
    ],
)
def test_damage_is_reported_on_opening(
    path: Path, tiny_teacher: MultiVectorEncoder, damage: Callable[[Path], None], file: str
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    damage(next(each for each in path.rglob("*") if each.match(file)))
    with pytest.raises(OpticalError, match=r"damaged|not an index"):
        Index.open(path)


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (truncate, "mutable_id_tracker.mappings"),
        (Path.unlink, "mutable_id_tracker.mappings"),
        (Path.unlink, "version.info"),
    ],
)
def test_damage_that_loses_passages_is_mended_from_the_log_or_reported(
    path: Path, tiny_teacher: MultiVectorEncoder, damage: Callable[[Path], None], file: str
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    copied = path.parent / "copy"
    copy_index(path, copied)
    for place in (path, copied):
        damage(next(each for each in place.rglob("*") if each.match(file)))
    with Index.open(path) as index:
        assert_agrees(index.search(QUERY, tiny_teacher, k=40), tiny_teacher, PASSAGES)
    shutil.rmtree(copied / "shard" / "wal")
    with pytest.raises(OpticalError, match=r"is damaged \(it has \d+ passages, and had 40\)"):
        Index.open(copied)


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (scribble, "payload_storage/page_0.dat"),
        (scribble, "vectors/chunk_0.mmap"),
        (scribble, "offsets/chunk_0.mmap"),
        (Path.unlink, "vectors/chunk_0.mmap"),
    ],
)
def test_damage_that_shows_only_in_a_search_is_reported_there(
    path: Path, tiny_teacher: MultiVectorEncoder, damage: Callable[[Path], None], file: str
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    damage(next(each for each in path.rglob("*") if each.match(file)))
    with Index.open(path) as index, pytest.raises(OpticalError, match="is damaged"):
        index.search(QUERY, tiny_teacher, k=40)


def test_an_index_that_lost_its_log_answers_but_does_not_pretend_to_keep_changes(
    path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    with Index.open(path) as index:
        for seed in (1, 2, 3):
            index.add([passage(number, seed) for number in range(40)], tiny_teacher)
    shutil.rmtree(path / "shard" / "wal")
    with Index.open(path) as index:
        with pytest.raises(OpticalError, match=r"does not keep changes; files of its log are missing"):
            index.add([Passage("p1", "new")], tiny_teacher)
        with pytest.raises(OpticalError, match=r"does not keep changes"):
            index.delete(["p2"])
        assert_agrees(
            index.search(QUERY, tiny_teacher, k=40),
            tiny_teacher,
            [passage(number, 3) for number in range(40)],
        )


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
    (path / "index.json").write_text(json.dumps(manifest | {"format": 1}))
    with pytest.raises(OpticalError, match=r"older version.*format 1.*build it again"):
        Index.open(path)


@pytest.mark.parametrize("size", [100, 3_000, 200_000])
def test_a_disk_that_refuses_leaves_what_was_stored(
    path: Path, tiny_teacher: MultiVectorEncoder, size: int
) -> None:
    Index.create(path, tiny_teacher, PASSAGES).close()
    fresh = [Passage(f"new{number}", "river " * 60 + "x" * 800) for number in range(40)]
    with largest_file(size):
        with pytest.raises(OpticalError, match="could not be written"):
            Index.create(path.parent / "other", tiny_teacher, fresh)
        with suppress(OpticalError), Index.open(path) as index:
            index.add(fresh, tiny_teacher)
    assert [each.name for each in path.parent.iterdir()] == ["index"]
    with Index.open(path) as index:
        stored = PASSAGES if index.count == 40 else PASSAGES + fresh
        assert_agrees(index.search(QUERY, tiny_teacher, k=index.count), tiny_teacher, stored)
        index.add(fresh, tiny_teacher)
        assert index.count == 80


def test_a_disk_with_too_little_space_is_not_written_to(
    path: Path, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index.create(path, tiny_teacher, PASSAGES)
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(path)
        patched.setattr(shutil, "disk_usage", lambda _: usage._replace(free=200 * 2**20))
        with pytest.raises(OpticalError, match=r"is full: 200 MB are free, and 256 MB are needed. Free some"):
            index.add([passage(50)], tiny_teacher)
    assert_agrees(index.search(QUERY, tiny_teacher, k=40), tiny_teacher, PASSAGES)
    index.close()


def test_an_optimised_index_finds_what_it_found_before(
    index: Index, place: str, tiny_teacher: MultiVectorEncoder
) -> None:
    index.optimise(progress=True)
    assert index.info["centroids"] == 256
    index.delete(["p3"])
    index.add([passage(1, seed=8), *(passage(number) for number in range(40, 50))], tiny_teacher)
    left = [passage(1, seed=8), *(passage(number) for number in range(50) if number not in (1, 3))]
    for _ in range(2):
        for exact in (None, True, False):
            hits = index.search(QUERY, tiny_teacher, k=49, exact=exact)
            assert_agrees(hits, tiny_teacher, left)
        index.close()
        index = Index.open(place)
    index.close()


def test_an_index_without_its_centroids_scores_all_and_one_with_broken_ones_says_so(
    path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    with Index.create(path, tiny_teacher, PASSAGES) as index:
        index.optimise()
    file = path / "centroids.safetensors"
    truncate(file)
    with pytest.raises(
        OpticalError, match=r"centroids.safetensors is damaged.*Remove it, and run `optical index"
    ):
        Index.open(path)
    file.unlink()
    with Index.open(path) as without:
        assert without.info["centroids"] == 0
        assert_agrees(without.search(QUERY, tiny_teacher, k=40), tiny_teacher, PASSAGES)
        with pytest.raises(
            OpticalError, match=r"no centroids to find candidates by. Run `optical index optimise`"
        ):
            without.search(QUERY, tiny_teacher, exact=False)


def test_a_stopped_optimisation_leaves_an_index_that_scores_all(
    index: Index, place: str, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.optimise()
    index.add([passage(number) for number in range(40, 50)], tiny_teacher)
    engine_type = type(index._engine)
    mark = engine_type.mark

    def stop(engine: Any, sparse: dict[str, Sparse]) -> None:
        mark(engine, dict(list(sparse.items())[:20]))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engine_type, "mark", stop)
        with pytest.raises(KeyboardInterrupt):
            index.optimise()
    many = [passage(number) for number in range(50)]
    for _ in range(2):
        assert index.info["centroids"] == 0
        assert_agrees(index.search(QUERY, tiny_teacher, k=50), tiny_teacher, many)
        index.close()
        index = Index.open(place)
    index.optimise()
    assert_agrees(index.search(QUERY, tiny_teacher, k=50, exact=False), tiny_teacher, many)
    index.close()


def test_compact_vectors_take_less_space_and_score_almost_the_same(
    path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    many = [passage(number) for number in range(40)]
    with pytest.raises(KeyboardInterrupt):
        Index.create(path, tiny_teacher, stopped_after(40), compact=True, batch_size=1)
    with pytest.raises(
        OpticalError, match=r"was begun with compact vectors. Go on in the same way, or remove it"
    ):
        Index.create(path, tiny_teacher, many)
    index = Index.create(path, tiny_teacher, many, compact=True)
    for _ in range(2):
        assert index.info["compact"]
        hits = index.search(QUERY, tiny_teacher, k=40)
        expected = ranking(tiny_teacher, QUERY, many)
        assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=0.02)
        assert {hit.id: hit.score for hit in hits} != pytest.approx(expected, abs=1e-5)
        again = index.search_many([QUERY] * 70, tiny_teacher, k=40)
        assert all(each == hits for each in again)
        index.optimise()
        index.close()
        index = Index.open(path)
    index.close()


def test_vectors_are_searched_as_their_texts_are(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    queries = [QUERY, "fish"]
    vectors = [torch.as_tensor(each) for each in tiny_teacher.encode_query(queries)]
    assert index.search_vectors(vectors, 7) == index.search_many(queries, tiny_teacher, 7)
    with pytest.raises(OpticalError, match=r"shape \(16,\), but this index takes \(n, 16\)"):
        index.search_vectors([vectors[0][0]])


@pytest.mark.parametrize("optimised", [False, True])
def test_a_filter_leaves_out_passages_and_names_known_fields(
    place: str, tiny_teacher: MultiVectorEncoder, optimised: bool
) -> None:
    kept = [
        Passage(each.id, each.text, each.title, {"number": number, "odd": number % 2 == 1})
        for number, each in enumerate(PASSAGES)
    ]
    with Index.create(place, tiny_teacher, kept) as index:
        if optimised:
            index.optimise()
        assert index.info["fields"] == {"number": "number", "odd": "boolean"}
        for exact in (True, False) if optimised else (True, None):
            hits = index.search(QUERY, tiny_teacher, k=30, filter="number >= 10 and odd = true", exact=exact)
            assert_agrees(hits, tiny_teacher, kept[11::2])
            assert all(hit.metadata == kept[int(hit.id[1:])].metadata for hit in hits)
        with pytest.raises(OpticalError, match=r"no passage has a field year \(there are: number, odd\)"):
            index.search(QUERY, tiny_teacher, filter="year = 3")
