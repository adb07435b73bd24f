"""What clients see when the service is in trouble, and what the log has when it is asked for more."""

import asyncio
import json
import logging
import threading
from pathlib import Path

import httpx
import pytest

from optical.serving import Keys, SearchService, Settings, create_application
from optical.serving.observation import JsonLines

from .conftest import Made


def test_a_lost_index_a_slow_answer_and_logged_queries(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="optical.serving.observation")
    service = SearchService(made.copy_index(tmp_path), {"sw": made.encoders["sw"]})
    application = create_application(service, Settings(timeout=5, log_queries=True), Keys({}))
    hurried = create_application(service, Settings(timeout=0.2), Keys({}))
    go_on = threading.Event()

    async def ask() -> None:
        def client(to: object) -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=httpx.ASGITransport(to), base_url="http://localhost")

        async with client(application) as patient, client(hurried) as impatient:
            busy = asyncio.create_task(service._batching.alone(lambda: go_on.wait(10)))
            answer = await impatient.post("/search", json={"text": "late"})
            assert (answer.status_code, answer.json()) == (
                503,
                {"error": "This took longer than 0.2 seconds."},
            )
            go_on.set()
            await busy
            assert (await patient.post("/search", json={"text": "in time"})).status_code == 200
            assert (await patient.post("/encode", json={"text": "encoded"})).status_code == 200
            assert (await patient.get("/readyz")).status_code == 200

            service._index.close()
            answer = await patient.post("/search", json={"text": "lost"})
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "2"
            assert answer.json() == {"error": "The index cannot be reached now. Ask again in a moment."}
            assert (await patient.get("/readyz")).status_code == 503
            assert (await patient.get("/healthz")).status_code == 200
            assert "optical_ready 0.0" in (await patient.get("/metrics")).text
            service._index.probe()
            assert (await patient.get("/readyz")).status_code == 200
            assert (await patient.post("/search", json={"text": "found"})).status_code == 200

    asyncio.run(ask())
    service.close()
    logged = [
        json.loads(JsonLines().format(each)) for each in caplog.records if each.name.endswith("observation")
    ]
    assert [each.get("query") for each in logged if each["route"] in ("/search", "/encode")] == [
        None,
        "in time",
        "encoded",
        "lost",
        "found",
    ]
