"""What goes wrong between here and a server: what passes is waited for, what does not is explained."""

import sys
import threading
import time
from collections.abc import Callable

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Index
from optical.index.cluster import connection

from ..qdrant_server import FakeQdrant, Fault, failure, running

PASSAGES = [Passage(f"p{number}", f"a river and {number} fish") for number in range(20)]


@pytest.fixture
def url(qdrant: FakeQdrant, tiny_teacher: MultiVectorEncoder) -> str:
    url = f"{qdrant.url}/news"
    Index.create(url, tiny_teacher, PASSAGES).close()
    qdrant.requests.clear()
    return url


def times(number: int, fault: Callable[[], Fault | None]) -> Callable[[str, str], Fault | None]:
    """Give this answer so many times, and then the right ones."""
    left = [number]

    def once_more(method: str, path: str) -> Fault | None:
        left[0] -= 1
        return fault() if left[0] >= 0 else None

    return once_more


def break_off() -> None:
    raise ConnectionAbortedError


@pytest.mark.parametrize(
    "fault",
    [
        lambda: failure(503, "Service is unavailable"),
        lambda: failure(500, "Service internal error: 1 of 1 read operations failed"),
        lambda: failure(429, "Too many requests"),
        lambda: failure(429, "Too many requests", **{"Retry-After": "1"}),
        lambda: (502, b"<html>Bad Gateway</html>", {}),
        break_off,
    ],
)
def test_what_passes_is_waited_for(
    qdrant: FakeQdrant, url: str, tiny_teacher: MultiVectorEncoder, fault: Callable[[], Fault | None]
) -> None:
    with Index.open(url) as index:
        expected = index.search("river", tiny_teacher)
        qdrant.fault = times(2, fault)
        assert index.search("river", tiny_teacher) == expected
        qdrant.fault = times(2, fault)
        index.add([Passage("new", "a cow")], tiny_teacher)
        assert index.count == 21


def test_a_server_that_restarts_is_waited_for(tiny_teacher: MultiVectorEncoder) -> None:
    with running() as server:
        port, client = server.port, server.client
        index = Index.create(f"{server.url}/news", tiny_teacher, PASSAGES)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(len(index.search("river", tiny_teacher, k=20))))
    waiting.start()
    time.sleep(0.2)
    assert not found
    with running(port, client):
        waiting.join()
    assert found == [20]


def test_a_change_whose_answer_is_lost_happens_once(
    qdrant: FakeQdrant, tiny_teacher: MultiVectorEncoder
) -> None:
    lost: set[tuple[str, str]] = set()

    def lose_the_first(method: str, path: str) -> None:
        if method != "GET" and (method, path) not in lost:
            lost.add((method, path))
            raise ConnectionAbortedError

    qdrant.after = lose_the_first
    with Index.create(f"{qdrant.url}/news", tiny_teacher, PASSAGES) as index:
        index.optimise()
        index.delete(["p3"])
        index.add([Passage("p4", "a cow", metadata={"year": 2020})], tiny_teacher)
        assert index.count == 19
        assert index.info["centroids"] > 0
        assert [hit.id for hit in index.search("cow", tiny_teacher, 1, filter="year = 2020")] == ["p4"]
    assert {("PUT", "/collections/news"), ("PUT", "/collections/news/points")} <= lost


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            lambda: failure(401, "Invalid API key or JWT"),
            "refuses the key .*Invalid API key.*variable QDRANT_API_KEY",
        ),
        (
            lambda: failure(403, "Forbidden: read only"),
            "does not permit this .*read only.*variable QDRANT_API_KEY",
        ),
        (lambda: failure(507, "Insufficient storage"), "is full .*What was stored before is safe"),
        (lambda: failure(500, "No space left on device: WAL"), "is full .*No space left on device"),
        (
            lambda: failure(400, "Wrong input: Vector dimension error"),
            "refuses the request, with status 400 .*dimension",
        ),
        (lambda: failure(503, "Starting"), "refuses the request, with status 503 .*Starting"),
        (lambda: failure(429, "Slow down", **{"Retry-After": "600"}), "is busy .*Slow down"),
        (lambda: (200, b"<html>Welcome</html>", {}), "does not answer as Qdrant does"),
        (lambda: (200, b'{"result": {"a": 1}}', {}), "does not answer as Qdrant does"),
        (break_off, "cannot be reached .*Start the server"),
        (lambda: time.sleep(1.5), "did not answer within 1 seconds"),
    ],
)
def test_what_does_not_pass_is_explained_and_the_index_unharmed(
    qdrant: FakeQdrant,
    url: str,
    tiny_teacher: MultiVectorEncoder,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[], Fault | None],
    message: str,
) -> None:
    monkeypatch.setattr(connection, "READING_PATIENCE", 0.3)
    monkeypatch.setattr(connection, "WRITING_PATIENCE", 0.3)
    monkeypatch.setattr(connection, "TIMEOUT", 1)
    monkeypatch.setenv("QDRANT_API_KEY", "top-secret")
    with Index.open(url) as index:
        before = index.search("river", tiny_teacher, k=20)
        for act in (
            lambda: index.search("river", tiny_teacher),
            lambda: index.add([Passage("new", "a cow")], tiny_teacher),
            lambda: index.delete(["p1"]),
            lambda: Index.open(url),
        ):
            qdrant.fault = lambda method, path: fault()
            with pytest.raises(OpticalError, match=message) as caught:
                act()
            qdrant.fault = lambda method, path: None
            assert url in str(caught.value)
            assert "top-secret" not in str(caught.value)
        assert index.search("river", tiny_teacher, k=20) == before


def test_a_server_that_is_full_leaves_what_was_stored(
    qdrant: FakeQdrant, url: str, tiny_teacher: MultiVectorEncoder
) -> None:
    with Index.open(url) as index:
        before = index.search("river", tiny_teacher, k=20)
        full = failure(500, "Service internal error: No space left on device")
        qdrant.fault = lambda method, path: full if (method, path[-7:]) == ("PUT", "/points") else None
        with pytest.raises(OpticalError, match="is full"):
            index.add([Passage(f"new{number}", "a cow") for number in range(40)], tiny_teacher)
        qdrant.fault = lambda method, path: None
        assert index.search("river", tiny_teacher, k=20) == before


def test_the_key_opens(qdrant: FakeQdrant, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    qdrant.key = "right"
    with pytest.raises(OpticalError, match=r"asks for a key .*variable QDRANT_API_KEY"):
        Index.open(url)
    monkeypatch.setenv("QDRANT_API_KEY", "wrong")
    with pytest.raises(OpticalError, match="refuses the key") as caught:
        Index.open(url)
    assert "wrong" not in str(caught.value)
    monkeypatch.setenv("QDRANT_API_KEY", "right")
    with Index.open(url) as index:
        assert index.count == 20


def test_every_change_waits_for_most_replicas_and_every_question_asks_one(
    qdrant: FakeQdrant, tiny_teacher: MultiVectorEncoder
) -> None:
    with Index.create(f"{qdrant.url}/news?shards=4&replicas=3", tiny_teacher, PASSAGES) as index:
        index.optimise()
        index.search("river", tiny_teacher, exact=False)
        index.add([Passage("p1", "a cow", metadata={"year": 1})], tiny_teacher)
        index.delete(["p2"])
    created = next(
        body for method, path, _, body in qdrant.requests if (method, path) == ("PUT", "/collections/news")
    )
    for setting in (
        b'"shard_number":4',
        b'"replication_factor":3',
        b'"write_consistency_factor":2',
        b'"float16"',
        b'"m":0',
    ):
        assert setting in created
    for method, path, query, _ in qdrant.requests:
        *_, action = path.split("/news/") if "/news/" in path else (path, "")
        if (method == "PUT" and action) or action == "points/delete":
            assert query["wait"] == ["true"], path
        # Read from any replica that is well: more would take an answer away where replicas order ties differently.
        assert "consistency" not in query, path


@pytest.mark.parametrize("key", ["hidden\r", "hidden\n", " hidden", "hiddené"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", key)
    with pytest.raises(OpticalError, match="QDRANT_API_KEY holds a space") as caught:
        Index.open("qdrant://127.0.0.1:1/news")
    assert "hidden" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(OpticalError, match=r"qdrant_client\. .*pip install 'optical\[cluster\]'"):
        Index.open("qdrant://localhost/news")
