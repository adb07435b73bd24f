"""The client against a service that answers as it should, and against servers that do not."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import optical
from optical import AsyncClient, Client, client
from optical.errors import OpticalError

from .encoders.conftest import make_teacher
from .serving.conftest import PAIRS, live, made, passages

__all__ = ["live", "made", "make_teacher", "passages"]

Reply = tuple[int, dict[str, str], bytes]
Failing = Callable[[list[Reply]], str]


def test_a_search_in_three_lines(live: str) -> None:
    with optical.Client(live) as client:
        results = client.search(PAIRS[7][1], "sw", k=3, filter="year < 2030", explain=True)
        assert client.languages() == ["sw", "en"]
    assert (results.languages, results.confidence) == (["sw"], 1)
    assert [each.rank for each in results.hits] == [1, 2, 3]
    first = results.hits[0]
    assert first.metadata["year"] < 2030
    match = first.matches[0]
    place = match["passage"]
    assert getattr(first, place["part"])[place["start"] : place["end"]] == place["word"]
    hash(first)


def test_the_same_with_coroutines(live: str) -> None:
    async def ask() -> None:
        async with AsyncClient(live) as client:
            many = await asyncio.gather(*(client.search(foreign, "sw", k=2) for _, foreign in PAIRS[:8]))
            assert await client.languages() == ["sw", "en"]
            with pytest.raises(OpticalError, match="422: There is no encoder for 'fr'"):
                await client.search("river", "fr")
        with Client(live) as client:
            for (_, foreign), results in zip(PAIRS[:8], many, strict=True):
                again = client.search(foreign, "sw", k=2)
                assert [each.id for each in results.hits] == [each.id for each in again.hits]
                assert results.hits[0].matches == ()

    asyncio.run(ask())


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """Make a server that gives the replies one after the other; the waits of the client take no time."""
    servers: list[ThreadingHTTPServer] = []

    def make(replies: list[Reply]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, body = replies.pop(0)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *message: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


EMPTY: Reply = (
    200,
    {},
    json.dumps(
        {
            "hits": [],
            "language": {"languages": ["sw"], "confidence": 1, "probabilities": {"sw": 1}},
            "hybrid": [],
        }
    ).encode(),
)
BUSY: Reply = (503, {"Retry-After": "7"}, b'{"error": "busy"}')
DROPPED: Reply = (0, {}, b"")


def test_what_passes_is_tried_again_after_the_wait_that_is_told(
    failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    replies = [BUSY, DROPPED, (429, {"Retry-After": "900"}, b"not JSON"), EMPTY]
    with Client(failing(replies)) as asking:
        assert asking.search("river").hits == []
    assert replies == []
    assert 7 <= waits[0] <= 7 * 1.25
    assert 1 <= waits[1] <= 1.25
    assert 10 <= waits[2] <= 12.5


@pytest.mark.parametrize(
    ("replies", "mentions", "left"),
    [
        ([(422, {}, b'{"error": "The filter is wrong."}'), EMPTY], ["422: The filter is wrong."], 1),
        ([(401, {}, b'{"error": "A key is needed."}'), EMPTY], ["401: A key is needed."], 1),
        ([BUSY, BUSY, BUSY, EMPTY], ["503: busy"], 1),
        ([DROPPED, DROPPED, DROPPED, EMPTY], ["does not answer"], 1),
        ([(200, {}, b"<html>")], ["no answer of optical serve"], 0),
        ([(200, {}, b"{}")], ["no answer of optical serve"], 0),
        ([(200, {}, b"[" * 100_000)], ["no answer of optical serve"], 0),
        ([(200, {}, b'{"hits": {}, "language": {}}')], ["no answer of optical serve"], 0),
        ([(200, {}, b'{"hits": [1], "language": {}}')], ["no answer of optical serve"], 0),
        ([(200, {}, b'{"hits": [{"id": "a"}], "language": {}}')], ["no answer of optical serve"], 0),
        ([(200, {}, EMPTY[2].replace(b'"sw"]', b'"\\ud800"]'))], ["no answer of optical serve"], 0),
        ([(200, {}, EMPTY[2].replace(b": 1,", b": null,"))], ["no answer of optical serve"], 0),
        ([(404, {}, b'{"detail": "Not Found"}')], ["404: That is no answer of optical serve"], 0),
        ([(422, {}, b'{"error": "\\ud800"}')], ["422: That is no answer of optical serve"], 0),
    ],
)
def test_what_does_not_pass_is_said(
    failing: Failing, monkeypatch: pytest.MonkeyPatch, replies: list[Reply], mentions: list[str], left: int
) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda seconds: None)
    url = failing(replies)
    with Client(url, retries=2) as asking, pytest.raises(OpticalError) as caught:
        asking.search("river")
    assert all(each in str(caught.value) for each in [url, *mentions])
    assert len(replies) == left


HIT = {"id": "p", "rank": 1, "score": 2.5, "language": "sw", "title": "", "text": "river", "metadata": {}}


def test_what_a_later_service_tells_more_is_left_out(failing: Failing) -> None:
    answer = {
        "hits": [{**HIT, "explanation": None, "shade": "blue"}, HIT],
        "language": {"languages": ["sw"], "confidence": 0.5, "name": "Swahili"},
        "hybrid": [],
        "took": 3,
    }
    with Client(failing([(200, {}, json.dumps(answer).encode())])) as asking:
        results = asking.search("river")
    assert results == client.Results([client.Hit(**HIT)] * 2, ["sw"], 0.5, [])


@pytest.mark.parametrize("key", ["", " ", "secret\nkey", "secret key", "secré", "secret\x00"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_key_that_is_none_is_not_repeated(key: str, kind: type[Client | AsyncClient]) -> None:
    with pytest.raises(OpticalError, match="API key") as caught:
        kind("http://localhost", key)
    assert "secr" not in str(caught.value)


def test_a_key_may_have_a_line_end(failing: Failing) -> None:
    with Client(failing([EMPTY]), "secret\n") as asking:
        assert asking._http.headers["Authorization"] == "Bearer secret"
        assert asking.search("river").hits == []


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://localhost", "http://", "http://a:secret", "http://a\x00"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(OpticalError, match="Write it like http://localhost:8000"):
        Client(url)


def test_the_password_in_an_address_is_not_repeated(
    failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = failing([DROPPED, (422, {}, b'{"error": "no"}'), (200, {}, b"{}")])
    with Client(url.replace("//", "//name:secret@"), retries=0) as asking:
        for _ in range(3):
            with pytest.raises(OpticalError) as caught:
                asking.search("river")
            assert url in str(caught.value)
            assert "secret" not in str(caught.value)


def test_half_a_character_is_not_sent() -> None:
    with Client("http://localhost:9") as asking, pytest.raises(OpticalError, match="lone surrogate"):
        asking.search("river \ud800")


def test_what_would_go_wrong_again_is_not_tried_again(
    failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    with Client(failing([EMPTY])) as asking:
        asking._http.headers["X"] = "a\nb"  # which HTTP cannot say
        with pytest.raises(OpticalError, match="does not answer"):
            asking.search("river")
    assert waits == []


def test_importing_it_is_light() -> None:
    heavy = "{'torch', 'numpy', 'fastapi'}"
    program = f"import sys; from optical import Client; print('heavy:', {heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "heavy: set()\n"
