"""Who may ask, how much and how often: decided before a request is read."""

import asyncio
import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optical.errors import OpticalError
from optical.files import numbered_lines
from optical.serving.settings import Settings

logger = logging.getLogger(__name__)

ENVIRONMENT = "OPTICAL_KEYS"
# The page (and what it is made of) and the questions of a load balancer are answered without a key.
OPEN, OPEN_BELOW = ("/", "/healthz", "/readyz", "/openapi.json"), "/page/"
_ENTRY = re.compile(r"([\w.-]+):([0-9a-f]{64})")
_LOCAL = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_MOST_REMEMBERED = 10_000
# So many times the timeout a request may hold its place.
PATIENCE = 3


def new_key(name: str) -> tuple[str, str]:
    """Return a new random API key of 256 bits and the entry ``name:hash`` by which a service knows it.

    Raises:
        OpticalError: the name is no word.
    """
    key = secrets.token_urlsafe(32)
    entry = f"{name}:{_hashed(key)}"
    if not _ENTRY.fullmatch(entry):
        raise OpticalError(
            f"{name!r} is no name for a key. Use letters, digits, dots, hyphens and underscores."
        )
    return key, entry


class Keys:
    """API keys by the names of their owners, known only by their SHA-256.

    That is enough, since a key is 256 random bits: what makes passwords need slow hashes is that they can be guessed.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)

    @classmethod
    def read(cls, path: Path | None = None) -> "Keys":
        """Read entries ``name:hash``, one a line in a file or separated by commas in the environment (OPTICAL_KEYS).

        Empty lines, and those that begin with #, do not count. Without file and environment there are no keys.

        Raises:
            OpticalError: the file cannot be read, or an entry is wrong; none of the key is repeated.
        """
        entries = [
            (f"The environment variable {ENVIRONMENT}", entry)
            for entry in os.environ.get(ENVIRONMENT, "").split(",")
        ]
        if path is not None:
            entries += [
                (f"{path}:{number}", line.decode("utf-8", "replace")) for number, line in numbered_lines(path)
            ]
        hashes: dict[str, str] = {}
        for place, entry in entries:
            entry = entry.strip()
            if not entry or entry.startswith("#"):
                continue
            found = _ENTRY.fullmatch(entry)
            if found is None or found[1] in hashes:
                what = "is no entry name:hash" if found is None else f"names {found[1]} again"
                raise OpticalError(f"{place} {what}. Make one with: optical key NAME")
            hashes[found[1]] = found[2]
        if path is not None and not hashes:
            raise OpticalError(f"{path} has no keys. Make one with: optical key NAME")
        return cls(hashes)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._hashes)

    def owner(self, key: str) -> str | None:
        """Return whose key it is; None if nobody's. The time it takes does not tell how much of it was right."""
        given, owner = _hashed(key), None
        for name, known in self._hashes.items():
            if hmac.compare_digest(given, known):
                owner = name
        return owner


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class Allowance:
    """A token bucket for each client: ``rate`` a second, and up to twice as many saved up."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(2 * rate, 1.0)
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, client: str, now: float) -> float:
        """Take one; return 0, or, if none is left at ``now``, in how many seconds there will be one."""
        left, then = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - then) * self._rate)
        wait = max(0.0, (1 - left) / self._rate)
        # The client last seen longest ago stands first, and is the first to be forgotten.
        self._left[client] = (left - 1 if wait == 0 else left, now)
        if len(self._left) > _MOST_REMEMBERED:
            del self._left[next(iter(self._left))]
        return wait


class Gate:
    """Middleware that lets through what is allowed, with its body already read.

    Without keys only requests that name this machine as their host are let through: otherwise any web page could
    have its own name lead here, and read the answers (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, settings: Settings, keys: Keys) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._allowance = Allowance(settings.rate)
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif _open(scope["path"]):
            # Nobody vouches for these: they take no place, and nothing is read for them.
            await self._app(scope, _replay(b"", receive), send)
        else:
            await self._admit(scope, headers, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        if not len(self._keys) and not _LOCAL.fullmatch(headers.get("host", "")):
            return problem(400, "Without API keys only this machine is served, by the name localhost.")
        if _open(scope["path"]):
            return None
        client = scope["client"][0] if scope.get("client") else "unknown"
        if len(self._keys):
            kind, _, key = headers.get("authorization", "").partition(" ")
            owner = self._keys.owner(key.strip()) if kind.lower() == "bearer" else None
            if owner is None:
                message = "An API key is needed: Authorization: Bearer KEY."
                return problem(401, message, {"WWW-Authenticate": "Bearer"})
            client = scope["facts"]["client"] = owner
        wait = self._allowance.wait(client, time.monotonic())
        if wait:
            return problem(
                429,
                f"More than {self._settings.rate:g} requests a second. Wait, and ask again.",
                {"Retry-After": str(math.ceil(wait))},
            )
        return None

    async def _admit(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if self._at_work >= self._settings.concurrency:
            busy = problem(503, "The service is busy. Ask again in a moment.", {"Retry-After": "1"})
            await busy(scope, receive, send)
            return
        self._at_work += 1
        try:
            # Time for the body, for the answer, and for a client that is slow to take it.
            await asyncio.wait_for(
                self._answer(scope, headers, receive, send), PATIENCE * self._settings.timeout
            )
        except asyncio.TimeoutError:
            # The server closes the connection when an answer has no end.
            logger.warning("A request was given up: its answer was not taken in time.")
        finally:
            self._at_work -= 1

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            body = await asyncio.wait_for(self._body(headers, receive), self._settings.timeout)
        except asyncio.TimeoutError:
            refusal = problem(408, "The body did not arrive in time.", {"Connection": "close"})
        except ClientDisconnect:
            return
        else:
            if body is not None:
                await self._app(scope, _replay(body, receive), send)
                return
            message = f"The body is larger than {self._settings.largest_body} bytes."
            refusal = problem(413, message, {"Connection": "close"})
        await refusal(scope, receive, send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes | None:
        """Return the whole body; None if it is too large, which may be known before it is read.

        Raises:
            ClientDisconnect: the client left in the middle of it.
        """
        most = self._settings.largest_body
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            return None
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > most:
                return None
            more = message.get("more_body", False)
        return body


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_BELOW)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer to what cannot be answered."""
    # A message may repeat what a client sent, which need not be text that can be sent.
    sendable = message.encode("utf-8", "replace").decode()
    return JSONResponse({"error": sendable}, status, headers)
