"""A service whose index is on a server that goes away and comes back."""

import asyncio

import httpx
import pytest
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.index import Index
from optical.index.cluster import connection
from optical.serving import Keys, SearchService, Settings, create_application

from ..index.qdrant_server import running
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
        service._probe()
        assert not service.ready
    with running(port, client):
        service._probe()
        assert service.ready
        assert len(asyncio.run(ask(application, 200)).json()["hits"]) == 60
        # What others change is noticed.
        index.add([Passage("new", "a river", metadata={"place": "here"})], teacher)
        service._probe()
        assert service.passages == 61
        assert service.fields["place"] == "string"
        service.close()
        index.close()
