"""Who is let in, and how much."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from optical.errors import OpticalError
from optical.serving import Keys, Settings, new_key
from optical.serving.access import OPEN, Allowance, Gate
from optical.serving.metrics import Metrics
from optical.serving.observation import Observation

KEY, ENTRY = new_key("website")
HELLO = {"Authorization": f"Bearer {KEY}"}


def gated(settings: Settings, keys: Keys) -> httpx.AsyncClient:
    """An application that says what it read, behind the gate."""

    async def echo(request: Request) -> JSONResponse:
        await asyncio.sleep(0.01)
        return JSONResponse({"read": len(await request.body()), **request.scope["facts"]})

    paths = ("/search", "/", "/healthz", "/page/style.css")
    inner = Starlette(routes=[Route(path, echo, methods=["GET", "POST"]) for path in paths])
    application = Observation(Gate(inner, settings, keys), Metrics())
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://localhost")


def keys(tmp_path: Path, *lines: str) -> Keys:
    (tmp_path / "keys").write_text("\n".join(lines))
    return Keys.read(tmp_path / "keys")


def test_a_key_is_known_by_its_hash(tmp_path: Path) -> None:
    name, _, digest = ENTRY.partition(":")
    assert (name, digest) == ("website", hashlib.sha256(KEY.encode()).hexdigest())
    assert len(KEY) == 43  # 256 bits in base 64
    other, entry = new_key("phone")
    known = keys(tmp_path, "# who may", "", f"  {ENTRY} ", entry)
    assert (known.owner(KEY), known.owner(other)) == ("website", "phone")
    assert all(known.owner(each) is None for each in ("", KEY[:-1], KEY + "a", digest, "website", "é\udcff"))


def test_keys_come_from_the_environment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTICAL_KEYS", f"{ENTRY},{new_key('phone')[1]}")
    assert Keys.read().owner(KEY) == "website"
    assert len(Keys.read()) == 2
    with pytest.raises(OpticalError, match="names website again"):
        keys(tmp_path, ENTRY)
    monkeypatch.setenv("OPTICAL_KEYS", KEY)
    with pytest.raises(OpticalError, match="OPTICAL_KEYS is no entry") as caught:
        Keys.read()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [KEY, f"website:{KEY}", "web site:" + "0" * 64, "website:" + "0" * 63],
    ids=["bare key", "key for hash", "space in name", "short hash"],
)
def test_a_wrong_entry_is_named_without_what_may_be_a_key(tmp_path: Path, line: str) -> None:
    with pytest.raises(OpticalError, match=r"keys:2 is no entry name:hash") as caught:
        keys(tmp_path, "# comment", line)
    assert KEY not in str(caught.value)


def test_a_file_without_keys_and_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match="has no keys"):
        keys(tmp_path, "# none")
    with pytest.raises(OpticalError, match="no name"):
        new_key("a b")


def test_without_a_right_key_only_the_page_and_health_are_answered(tmp_path: Path) -> None:
    async def ask() -> None:
        async with gated(Settings(), keys(tmp_path, ENTRY)) as client:
            for header in (None, "", KEY, f"Basic {KEY}", "Bearer", "Bearer ", "Bearer wrong", "Bearer é"):
                given = {} if header is None else {"Authorization": header.encode()}
                answer = await client.post("/search", headers=given)
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "API key" in answer.json()["error"]
            for path in ("/", "/healthz", "/page/style.css"):
                assert (await client.get(path)).status_code == 200
            for path in ("/metrics", "/page", "/other", "/search/"):
                assert (await client.get(path)).status_code == 401
            answer = await client.post("/search", headers=HELLO, content=b"12345")
            assert answer.json() == {"read": 5, "client": "website"}
            # With keys, the service may have any name.
            assert (
                await client.get("/search", headers={"Host": "search.example", **HELLO})
            ).status_code == 200

    asyncio.run(ask())


def test_too_many_requests_at_a_time_and_a_second(tmp_path: Path) -> None:
    async def ask() -> None:
        async with gated(Settings(concurrency=3), Keys({})) as client:
            answers = await asyncio.gather(*(client.get("/search") for _ in range(10)))
            assert sorted(each.status_code for each in answers) == [200] * 3 + [503] * 7
            assert all("Retry-After" in each.headers for each in answers if each.status_code == 503)
            assert (await client.get("/search")).status_code == 200
        other, entry = new_key("phone")
        async with gated(Settings(rate=0.1), keys(tmp_path, ENTRY, entry)) as client:
            assert (await client.get("/search", headers=HELLO)).status_code == 200
            answer = await client.get("/search", headers=HELLO)
            assert answer.status_code == 429
            assert "0.1 requests a second" in answer.json()["error"]
            assert answer.headers["Retry-After"] == "10"
            # Another has an allowance of its own, and health is free.
            phone = {"Authorization": f"bearer {other}"}
            assert (await client.get("/search", headers=phone)).status_code == 200
            assert (await client.get("/healthz")).status_code == 200

    asyncio.run(ask())


def test_a_body_that_does_not_arrive_and_one_too_large() -> None:
    async def drips() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)

    async def ask() -> None:
        async with gated(Settings(timeout=0.05, largest_body=10), Keys({})) as client:
            assert (await client.post("/search", content=drips())).status_code == 408
            assert (await client.post("/search", content=b"x" * 10)).json() == {"read": 10}
            answer = await client.post("/search", content=b"x" * 11)
            assert (answer.status_code, answer.json()) == (
                413,
                {"error": "The body is larger than 10 bytes."},
            )

    asyncio.run(ask())


def behind(gate_of: Settings, known: Keys, path: str = "/search") -> tuple[Observation, list[bytes], dict]:
    """The gate, the bodies that come through it, and the scope of a request with the key."""
    read: list[bytes] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        read.append((await receive())["body"])
        await JSONResponse({})(scope, receive, send)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"host", b"localhost"), (b"authorization", HELLO["Authorization"].encode())],
    }
    return Observation(Gate(inner, gate_of, known), Metrics()), read, scope


def test_hanging_requests_without_a_key_take_no_place(tmp_path: Path) -> None:
    async def ask() -> None:
        application, read, with_key = behind(Settings(concurrency=1), keys(tmp_path, ENTRY))

        async def hang() -> Message:
            await asyncio.sleep(60)
            raise AssertionError

        async def whole() -> Message:
            return {"type": "http.request", "body": b"asked", "more_body": False}

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        for path in OPEN:
            scope = {**with_key, "path": path, "headers": [(b"host", b"localhost")]}
            await asyncio.wait_for(application(scope, hang, send), 5)
        waiting = asyncio.create_task(application({**with_key, "path": "/", "headers": []}, hang, send))
        await application(with_key, whole, send)
        await waiting
        assert {each.get("status", 200) for each in sent} == {200}
        assert read == [b""] * 4 + [b"", b"asked"]

    asyncio.run(ask())


def test_an_answer_that_is_not_taken_gives_its_place_back(tmp_path: Path) -> None:
    async def ask() -> None:
        application, _, with_key = behind(Settings(concurrency=1, timeout=0.05), keys(tmp_path, ENTRY))

        async def whole() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def stuck(message: Message) -> None:
            await asyncio.sleep(60)

        await asyncio.wait_for(application(with_key, whole, stuck), 10)
        await application(with_key, whole, send)
        assert sent[0]["status"] == 200

    asyncio.run(ask())


def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_worked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="optical.serving.observation")

    async def ask() -> None:
        application, read, with_key = behind(Settings(), keys(tmp_path, ENTRY))
        arriving: list[Message] = [
            {"type": "http.request", "body": b'{"text": "river"}', "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Message:
            return arriving.pop(0)

        async def send(message: Message) -> None:
            raise AssertionError(message)

        await application(with_key, receive, send)
        assert read == []

    asyncio.run(ask())
    assert [each.__dict__["facts"]["status"] for each in caplog.records] == [499]


@given(st.floats(0.5, 50), st.lists(st.floats(0, 0.5), max_size=200))
def test_an_allowance_gives_its_rate_and_not_more(rate: float, pauses: list[float]) -> None:
    allowance, now, taken = Allowance(rate), 0.0, 0
    for pause in pauses:
        now += pause
        wait = allowance.wait("a", now)
        taken += wait == 0
        if wait:
            now += wait + 1e-6
            assert allowance.wait("a", now) == 0, "after the wait that was told there is one"
            taken += 1
    assert taken <= max(2 * rate, 1) + rate * now + 1e-6
    assert allowance.wait("b", now) == 0


def test_an_allowance_forgets_those_seen_longest_ago() -> None:
    allowance = Allowance(1)
    for client in range(20_000):
        allowance.wait(str(client), 0.0)
    assert len(allowance._left) == 10_000
    assert "19999" in allowance._left
