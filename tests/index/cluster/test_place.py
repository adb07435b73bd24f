"""An index in a collection: what is one and what not, and centroids that several processes share."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from qdrant_client import models
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Index
from optical.index.centroids import Centroids
from optical.index.cluster import place as module
from optical.index.cluster.schema import NO_PASSAGES
from optical.index.engine import Place
from optical.index.manifest import FORMAT
from optical.index.places import place_of

from ..qdrant_server import FakeQdrant

PASSAGES = [Passage(f"p{number}", f"a river and {'big ' * (number % 7)} fish") for number in range(40)]


@pytest.fixture
def url(qdrant: FakeQdrant) -> str:
    return f"{qdrant.url}/news"


def test_what_is_not_an_index_is_explained(
    qdrant: FakeQdrant, url: str, tiny_teacher: MultiVectorEncoder
) -> None:
    with pytest.raises(
        OpticalError, match=r"no collection news at qdrant://127.0.0.1:\d+ \(there are: none\)"
    ):
        Index.open(url)
    assert not Index.exists(url)
    vectors = models.VectorParams(size=3, distance=models.Distance.DOT)
    for number in range(12):
        qdrant.client.create_collection(f"other{number:02}", vectors_config=vectors)
    with pytest.raises(OpticalError, match=r"\(there are: other00, .*, other09, \.\.\.\)"):
        Index.open(url)
    other = f"{qdrant.url}/other01"
    with pytest.raises(OpticalError, match=r"other01 is not an index of optical. Name another"):
        Index.open(other)
    with pytest.raises(OpticalError, match="other01 exists already"):
        Index.create(other, tiny_teacher, PASSAGES)
    assert qdrant.client.collection_exists("other01")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"format": 99}, "newer version of optical .*99.*Upgrade"),
        ({"format": 1}, "older version of optical .*format 1"),
        ({"format": "x"}, "metadata of .* is damaged"),
        ({"teacher": 3}, "metadata of .* is damaged .*teacher is 3"),
        (None, "metadata of .* is damaged"),
    ],
)
def test_an_index_of_another_version_or_with_other_facts_is_explained(
    qdrant: FakeQdrant,
    url: str,
    tiny_teacher: MultiVectorEncoder,
    facts: dict[str, object] | None,
    message: str,
) -> None:
    Index.create(url, tiny_teacher, PASSAGES).close()
    stored = qdrant.client.get_collection("news").config.metadata["optical"]
    changed = "nothing" if facts is None else {**stored, **facts}
    qdrant.client.update_collection("news", metadata={"optical": changed})
    with pytest.raises(OpticalError, match=message) as caught:
        Index.open(url)
    assert url in str(caught.value)


def test_a_server_that_forgets_metadata_is_refused_and_nothing_left(
    qdrant: FakeQdrant, url: str, tiny_teacher: MultiVectorEncoder
) -> None:
    def forget(method: str, path: str) -> None:
        if method == "PUT":
            qdrant.client._client.collections["news"].config.metadata = None  # type: ignore[attr-defined]

    qdrant.after = forget
    with pytest.raises(OpticalError, match=r"does not keep the metadata of a collection. Use Qdrant 1\.16"):
        Index.create(url, tiny_teacher, PASSAGES)
    assert not qdrant.client.collection_exists("news")


def test_any_number_of_processes_may_open_it_and_a_snapshot_is_refused(
    url: str, tiny_teacher: MultiVectorEncoder
) -> None:
    with Index.create(url, tiny_teacher, PASSAGES) as one, Index.open(url) as other:
        one.add([Passage("new", "a cow", metadata={"year": 2020})], tiny_teacher)
        assert [hit.id for hit in other.search("cow", tiny_teacher, 1, filter="year = 2020")] == ["new"]
        other.delete(["new"])
        assert one.count == 40
    with pytest.raises(OpticalError, match="needs no snapshot"):
        Index.snapshot(url)


def test_centroids_that_another_process_makes_are_used_at_once(
    url: str, tiny_teacher: MultiVectorEncoder
) -> None:
    with Index.create(url, tiny_teacher, PASSAGES[:10]) as one, Index.open(url) as other:
        one.optimise()
        first = other.info["centroids"]
        assert len(other.search("river", tiny_teacher, exact=False)) == 10
        other.add(PASSAGES[10:], tiny_teacher)
        one.optimise()
        assert other.info["centroids"] > first > 0
        # What is added now is marked by the new ones, and found by them.
        other.add([Passage("new", "cow cow cow")], tiny_teacher)
        assert one.search("cow cow", tiny_teacher, 1, exact=False)[0].id == "new"


def test_centroids_in_parts_come_back_whole_replace_the_old_and_are_no_passages(
    qdrant: FakeQdrant, url: str, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART", 200)
    Index.create(url, tiny_teacher, PASSAGES).close()
    for number in (50, 20):
        centroids = Centroids(torch.randn(number, 16), passages=number)
        with closing(place_of(url)) as place:
            place.put_centroids(centroids)
        with closing(place_of(url)) as place:
            read = place.centroids
        assert read is not None
        assert torch.equal(read.vectors, centroids.vectors)
        assert read.passages == number
        assert qdrant.client.count("news", NO_PASSAGES).count == -(-number * 16 * 4 // 200)
        with Index.open(url) as index:
            assert index.count == len(index.search("river", tiny_teacher, 40)) == 40
    part = qdrant.client.scroll("news", NO_PASSAGES, limit=1)[0][0]
    qdrant.client.delete("news", [part.id])
    with Index.open(url) as index:
        assert index.info["centroids"] == 0
        assert len(index.search("river", tiny_teacher, 40)) == 40
        index.optimise()
        assert index.info["centroids"] > 0
    with closing(place_of(url)) as place:
        place.put_centroids(None)
    with closing(place_of(url)) as place:
        assert place.centroids is None
    assert qdrant.client.count("news", NO_PASSAGES).count == 0


FACTS: dict[str, Any] = {"format": FORMAT, "teacher": "t", "dimension": 16, "compact": False}


def connections(server: FakeQdrant) -> int:
    """How many connections of this process to the server are open at its end."""
    every = psutil.Process().net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == server.port for each in every)


def test_whatever_fails_leaves_no_connection_open(
    qdrant: FakeQdrant, tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    # By this name, since the client keeps no connections to 127.0.0.1 or localhost.
    server = qdrant.url.replace("127.0.0.1", "127.1")
    url = f"{server}/news"
    vectors = models.VectorParams(size=3, distance=models.Distance.DOT)
    qdrant.client.create_collection("other", vectors_config=vectors)
    Index.create(url, tiny_teacher, PASSAGES).close()
    unfinished, other, missing = (f"{server}/{name}" for name in ("unfinished", "other", "missing"))
    with closing(place_of(unfinished)) as place:
        place.create(FACTS)
    assert (Index.exists(url), Index.exists(missing)) == (True, False)
    assert connections(qdrant) == 0
    with Index.open(url):
        assert connections(qdrant) == 1
    local = Index.create(tmp_path / "index", tiny_teacher, PASSAGES)
    for act in (
        lambda: Index.open(missing),
        lambda: Index.open(other),
        lambda: Index.open(unfinished),
        lambda: Index.snapshot(url),
        lambda: Index.require_new(url),
        lambda: Index.create(url, tiny_teacher, PASSAGES),
        lambda: Index.create(unfinished, tiny_teacher, PASSAGES),
        lambda: Index.create(missing, tiny_teacher, []),
        lambda: Index.create(missing, tiny_teacher, [Passage("p", "")]),
        lambda: local.copy_to(url),
        lambda: local.copy_to(unfinished),
    ):
        with pytest.raises(OpticalError) as caught:
            act()
        # The traceback still refers to all there was, so that nothing is closed for being forgotten.
        assert connections(qdrant) == 0, str(caught.value)
    local.copy_to(missing)
    local.close()
    assert connections(qdrant) == 0


def test_a_build_that_fails_leaves_what_another_is_about_to_fill(
    qdrant: FakeQdrant, url: str, tiny_teacher: MultiVectorEncoder
) -> None:
    def passages() -> Iterator[Passage]:
        yield from PASSAGES[:30]  # the first chunk is read before anything is made
        assert qdrant.client.collection_exists("news")
        with pytest.raises(OpticalError, match="is empty"):
            Index.create(url, tiny_teacher, [Passage("p", "")])
        yield from PASSAGES[30:]

    with Index.create(url, tiny_teacher, passages(), batch_size=1) as index:
        assert index.count == 40
    failed = f"{qdrant.url}/failed"
    with pytest.raises(OpticalError, match="is empty"):
        Index.create(failed, tiny_teacher, [Passage("p", "")])
    assert not qdrant.client.collection_exists("failed"), "one that it made itself is removed"


def test_of_two_that_create_a_collection_in_the_same_second_one_does(url: str) -> None:
    def create(place: Place) -> bool:
        with suppress(OpticalError):
            place.create(FACTS)
            return True
        return False

    with closing(place_of(url)) as one, closing(place_of(url)) as other:
        assert [create(one), create(other)] == [True, False]
