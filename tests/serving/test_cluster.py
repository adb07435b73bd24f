"""A service whose index is on a server: one that goes away and comes back, refuses a search, or is changed."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from qdrant_client import models
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.index import Index
from optical.index.cluster import connection
from optical.index.payload import TOKENS
from optical.serving import Keys, SearchService, Settings, create_application, search

from ..index.qdrant_server import FakeQdrant, Fault, failure, running
from .conftest import Made


def test_a_server_that_is_away_makes_the_service_unready_until_it_is_back(
    made: Made, passages: list[Passage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READING_PATIENCE", 0.2)
    teacher = MultiVectorEncoder(made.encoders["en"], device="cpu")

    async def ask(application: object, expected: int) -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/search", json={"text": "river", "k": 100})
            assert answer.status_code == expected
            assert (await client.get("/readyz")).status_code == expected
            assert (await client.get("/healthz")).status_code == 200
        return answer

    with running() as server:
        port, client = server.port, server.client
        url = f"{server.url}/served"
        index = Index.create(url, teacher, passages)
        service = SearchService(url, {"sw": made.encoders["sw"]})
        application = create_application(service, Settings(), Keys({}))
        assert len(asyncio.run(ask(application, 200)).json()["hits"]) == 60
    for _ in range(2):
        answer = asyncio.run(ask(application, 503))
        assert answer.json() == {"error": "The index cannot be reached now. Ask again in a moment."}
        service._index.probe()
        assert not service.ready
    with running(port, client):
        service._index.probe()
        assert service.ready
        assert len(asyncio.run(ask(application, 200)).json()["hits"]) == 60
        # What others change is noticed.
        index.add([Passage("new", "a river", metadata={"place": "here"})], teacher)
        service._index.probe()
        assert service.passages == 61
        assert service.fields["place"] == "string"
        service.close()
        index.close()


@pytest.fixture(scope="module")
def teacher(made: Made) -> MultiVectorEncoder:
    return MultiVectorEncoder(made.encoders["en"], device="cpu")


@pytest.fixture
def server() -> Iterator[FakeQdrant]:
    with running() as server:
        yield server


@pytest.fixture
def url(server: FakeQdrant, teacher: MultiVectorEncoder, passages: list[Passage]) -> str:
    url = f"{server.url}/served"
    Index.create(url, teacher, passages).close()
    return url


@pytest.fixture
def service(url: str, made: Made) -> Iterator[SearchService]:
    service = SearchService(url, {"sw": made.encoders["sw"]})
    yield service
    service.close()


async def asked(service: SearchService, *bodies: dict[str, object]) -> list[httpx.Response]:
    """Ask all at once, and last whether the service is ready."""
    transport = httpx.ASGITransport(create_application(service, Settings(), Keys({})))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answers = await asyncio.gather(*(client.post("/search", json=body) for body in bodies))
        return [*answers, await client.get("/readyz")]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_search_that_the_server_refuses_is_its_senders_fault(
    server: FakeQdrant, service: SearchService, status: int
) -> None:
    def refuse_large(method: str, path: str) -> Fault | None:
        if not path.endswith("/points/query/batch"):
            return None
        limits = [each["limit"] for each in json.loads(server.requests[-1][3])["searches"]]
        return failure(status, "Limit exceeded, no space left") if max(limits) > 40 else None

    server.fault = refuse_large
    small, large, filtered, ready = asyncio.run(
        asked(
            service,
            {"text": "river", "k": 3},
            {"text": "river", "k": 50},
            {"text": "river", "k": 50, "filter": 'source = "who"'},
        )
    )
    assert ready.status_code == 200
    assert small.status_code == 200, "another's fault is not its own"
    assert len(small.json()["hits"]) == 3
    for refused in (large, filtered):
        assert refused.status_code == 422
        assert refused.json() == {
            "error": "The index refuses this. Ask for fewer passages, or with a simpler filter."
        }, "the server's address is no business of clients"


@pytest.mark.parametrize("status", [401, 403, 404, 500, 507])
def test_a_server_that_refuses_whatever_is_asked_is_away(
    server: FakeQdrant, service: SearchService, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READING_PATIENCE", 0.2)
    server.fault = lambda method, path: failure(status, "no")
    refused, ready = asyncio.run(asked(service, {"text": "river"}))
    assert (refused.status_code, ready.status_code) == (503, 503)
    assert refused.json() == {"error": "The index cannot be reached now. Ask again in a moment."}


def test_an_index_that_is_lost_is_not_waited_for_again(
    server: FakeQdrant, service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READING_PATIENCE", 0.0)
    monkeypatch.setattr(search, "WATCH_EVERY", 600.0)
    server.fault = lambda method, path: failure(500, "no") if path.endswith("/query/batch") else None
    server.requests.clear()
    bodies = [{"text": "river", "k": 3, "filter": f'source = "{name}"'} for name in ("a", "b", "c", "d")]
    *refused, ready = asyncio.run(asked(service, *bodies))
    assert {each.status_code for each in (*refused, ready)} == {503}
    assert [path.endswith("/query/batch") for _, path, _, _ in server.requests].count(True) == 1


def test_a_damaged_score_loses_the_index(server: FakeQdrant, service: SearchService) -> None:
    vectors = [[100.0] * service._index.dimension]
    point = server.client.scroll("served", limit=1, with_payload=True)[0][0]
    server.client.upsert(
        "served", [models.PointStruct(id=point.id, vector={TOKENS: vectors}, payload=point.payload)]
    )
    refused, ready = asyncio.run(asked(service, {"text": "river", "k": 60}))
    assert (refused.status_code, ready.status_code) == (503, 503)


def test_passages_are_counted_once_a_search_and_may_have_become_fewer(
    server: FakeQdrant,
    service: SearchService,
    url: str,
    teacher: MultiVectorEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "WATCH_EVERY", 600.0)
    server.requests.clear()
    found, ready = asyncio.run(asked(service, {"text": "river", "k": 100}))
    assert [path for _, path, _, _ in server.requests].count("/collections/served/points/count") == 1
    assert len(found.json()["hits"]) == 60
    with Index.open(url) as index:
        index.delete(["p3", "p4"])
        found, ready = asyncio.run(asked(service, {"text": "river", "k": 100}))
        assert len(found.json()["hits"]) == 58
        index.delete([f"p{n}" for n in range(60) if n not in (3, 4)])
        found, ready = asyncio.run(asked(service, {"text": "river", "k": 100}))
        assert found.json()["hits"] == []
    assert ready.status_code == 200
