"""Indexes copied from a folder to a cluster and back, in one go and after a stop."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Index, copying
from optical.index.cluster.engine import ClusterEngine
from optical.index.engine import Document, Engine
from optical.index.local import LocalEngine

from .qdrant_server import FakeQdrant

QUERY = "where is the river market"
PASSAGES = [
    Passage(
        f"p{number}",
        " ".join(["river", "market", "house", "fish"][: 1 + number % 4]) + f" {number}",
        title=f"title {number}" if number % 2 else "",
        metadata={"year": 2000 + number, "open": number % 3 == 0, "tags": ("a", f"t{number % 5}")},
    )
    for number in range(30)
]
FILTER = 'year >= 2005 and not open = true and tags in ("t1", "t2")'

Places = Callable[[str, str], str]


@pytest.fixture
def places(qdrant: FakeQdrant, tmp_path: Path) -> Places:
    return lambda kind, name: str(tmp_path / name) if kind == "folder" else f"{qdrant.url}/{name}"


def assert_alike(one: str, other: str, encoder: MultiVectorEncoder) -> None:
    with Index.open(one) as first, Index.open(other) as second:
        for name in ("passages", "token_vectors", "fields", "centroids", "teacher", "created", "compact"):
            assert first.info[name] == second.info[name]
        for exact in (True, False) if first.info["centroids"] else (True,):
            for filter in (None, FILTER):
                found = [
                    index.search(QUERY, encoder, 20, filter=filter, exact=exact) for index in (first, second)
                ]
                assert [(hit.id, hit.text, hit.title, hit.metadata) for hit in found[0]] == [
                    (hit.id, hit.text, hit.title, hit.metadata) for hit in found[1]
                ]
                assert [hit.score for hit in found[0]] == pytest.approx(
                    [hit.score for hit in found[1]], abs=1e-4
                )
        for (id_, vectors), (other_id, others) in zip(
            sorted(first._engine.vectors()), sorted(second._engine.vectors()), strict=True
        ):
            assert id_ == other_id
            assert vectors.equal(others)


@pytest.mark.parametrize("optimised", [False, True])
@pytest.mark.parametrize(
    ("source", "target"), [("folder", "cluster"), ("cluster", "folder"), ("cluster", "cluster")]
)
def test_a_copy_is_the_same_index(
    places: Places, tiny_teacher: MultiVectorEncoder, source: str, target: str, optimised: bool
) -> None:
    one, other = places(source, "one"), places(target, "other")
    with Index.create(one, tiny_teacher, PASSAGES) as index:
        if optimised:
            index.optimise()
        index.copy_to(other, progress=True)
        assert index.count == 30
    assert_alike(one, other, tiny_teacher)
    with Index.open(other) as copy:
        copy.add([Passage("new", "a goat", metadata={"year": 1})], tiny_teacher)
        assert copy.count == 31
    with Index.open(one) as index, pytest.raises(OpticalError, match="exists already"):
        index.copy_to(other)


@pytest.mark.parametrize(("source", "target"), [("folder", "cluster"), ("cluster", "folder")])
@pytest.mark.parametrize("changed", ["passages", "centroids"])
def test_a_copy_that_was_stopped_is_no_index_and_goes_on(
    places: Places,
    tiny_teacher: MultiVectorEncoder,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    target: str,
    changed: str,
) -> None:
    one, other = places(source, "one"), places(target, "other")
    monkeypatch.setattr(copying, "_COPIED_TOGETHER", 8)
    engine: type[ClusterEngine] | type[LocalEngine] = ClusterEngine if target == "cluster" else LocalEngine
    put = engine.put
    sent: list[int] = []

    def stop(self: Engine, documents: list[Document]) -> None:
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(len(documents))
        put(self, documents)  # type: ignore[arg-type]

    def count(self: Engine, documents: list[Document]) -> None:
        sent.append(len(documents))
        put(self, documents)  # type: ignore[arg-type]

    with Index.create(one, tiny_teacher, PASSAGES) as index:
        index.optimise()
        monkeypatch.setattr(engine, "put", stop)
        with pytest.raises(KeyboardInterrupt):
            index.copy_to(other)
        assert not Index.exists(other)
        with pytest.raises(
            OpticalError, match=r"unfinished. .*the same `optical index push` or `pull` again"
        ):
            Index.open(other)
        monkeypatch.setattr(engine, "put", put)
        index.delete([f"p{number}" for number in range(10)])
        if changed == "centroids":
            index.optimise()
        sent.clear()
        monkeypatch.setattr(engine, "put", count)
        index.copy_to(other)
        # Those with marks by other centroids are sent again.
        assert sum(sent) == 20 if changed == "centroids" else 4 <= sum(sent) < 20
        monkeypatch.setattr(engine, "put", put)
    assert_alike(one, other, tiny_teacher)


def test_marks_of_other_centroids_never_stay_in_a_copy_however_often_it_stops(
    places: Places, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = places("folder", "one"), places("folder", "other")
    monkeypatch.setattr(copying, "_COPIED_TOGETHER", 8)
    put = LocalEngine.put
    left = 0

    def stop(self: LocalEngine, documents: list[Document]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        put(self, documents)

    with Index.create(one, tiny_teacher, PASSAGES) as index:
        index.optimise()
        monkeypatch.setattr(LocalEngine, "put", stop)
        for parts in (3, 1):
            left = parts
            with pytest.raises(KeyboardInterrupt):
                index.copy_to(other)
            left = 10
            index.add([Passage(f"new {parts}", "a boat on the river")], tiny_teacher)
            index.optimise()
        left = 1
        with pytest.raises(KeyboardInterrupt):
            index.copy_to(other)
        left = 10
        index.copy_to(other)
    assert_alike(one, other, tiny_teacher)
    with Index.open(one) as first, Index.open(other) as second:
        marks = [{d.passage.id: d.sparse for d in index._engine.documents()} for index in (first, second)]
    assert marks[0] == marks[1]


def test_a_copy_does_not_go_on_from_another_index(
    places: Places, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = places("folder", "one"), places("cluster", "other")

    def stopped() -> object:
        yield from PASSAGES
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Index.create(other, tiny_teacher, stopped(), compact=True, batch_size=1)  # type: ignore[arg-type]
    with Index.create(one, tiny_teacher, PASSAGES) as index:
        with pytest.raises(OpticalError, match=r"is another: its compact is True, and not False. Remove it"):
            index.copy_to(other)
        assert index.count == 30
