"""A client of ``optical serve``; it needs httpx, and nothing of the rest of this package."""

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from optical.errors import OpticalError
from optical.packages import require_package

require_package("httpx", extra="client")

import httpx  # noqa: E402

# Busy, not ready, asked too often: worth asking again.
_PASSING = (408, 429, 502, 503, 504)
_LONGEST_WAIT = 10.0
# What goes wrong here, and would again.
_OURS = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_KEY = re.compile(r"[!-~]+")
_NO_ANSWER = "That is no answer of optical serve."


@dataclass(frozen=True)
class Hit:
    """A passage: ``rank`` from 1; ``language`` whose encoder found it; ``matches`` if they were asked for.

    Of each match, ``{"query": word, "passage": word, "score": s}``, a word is ``{"word", "start", "end"}`` in
    characters, that of the passage also has ``"part"``: title or text.
    """

    id: str
    rank: int
    score: float
    language: str
    title: str
    text: str
    metadata: Mapping[str, str | int | float | bool | list[str]] = field(default_factory=dict, hash=False)
    matches: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)


@dataclass(frozen=True)
class Results:
    """Hits, best first, the languages searched and how sure the service is of the first.

    ``hybrid`` are those of the languages that were searched by words, too.
    """

    hits: list[Hit]
    languages: list[str]
    confidence: float
    hybrid: list[str]


class Client:
    """Searches at a service::

        with Client("http://localhost:8000") as client:
            for hit in client.search("Nani alijenga reli?").hits:
                print(hit.rank, hit.title, hit.text)

    A request that fails for a reason that may pass (no connection, busy, asked too often) is made again after the time
    that the service says, or after waits that double from half a second. It may be used by several threads.

    Args:
        url: of the service.
        key: API key, if the service wants one.
        timeout: seconds for one try.
        retries: how often to try again.

    Raises:
        OpticalError: the URL is none, or the key has characters that no key has; it is not repeated.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 30.0, retries: int = 3) -> None:
        self._retries = retries
        self._http = httpx.Client(**_options(url, key, timeout))

    def search(
        self,
        text: str,
        lang: str = "auto",
        k: int = 10,
        *,
        filter: str | None = None,
        explain: bool = False,
        hybrid: bool = False,
    ) -> Results:
        """Return the ``k`` best passages.

        Args:
            text: the query.
            lang: code of a language of the service, or "auto".
            k: how many passages.
            filter: condition on the metadata, as ``source = "who" and year >= 2020``.
            explain: also tell which words answer which.
            hybrid: search by the words of the query's translations, too; with "auto", in languages where that is
                possible.

        Raises:
            OpticalError: the service refuses the request (its message says why), or does not answer.
        """
        answer = self._ask("POST", "/search", _body(text, lang, k, filter, explain, hybrid))
        return _results(answer, self._http.base_url)

    def languages(self) -> list[str]:
        """Return the codes of the service's languages.

        Raises:
            OpticalError: as :meth:`search`.
        """
        return _languages(self._ask("GET", "/languages"), self._http.base_url)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        """Return the client itself."""
        return self

    def __exit__(self, *of_an_error: object) -> None:
        """Close the connections."""
        self.close()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        attempt = 0
        while True:
            outcome: httpx.Response | httpx.HTTPError
            try:
                outcome = self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                outcome = error
            wait = _wait(outcome, attempt, self._retries)
            if wait is None:
                return _answer(outcome, self._http.base_url)
            time.sleep(wait)
            attempt += 1


class AsyncClient:
    """The same as :class:`Client` with coroutines: ``await client.search(...)``, ``async with``."""

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 30.0, retries: int = 3) -> None:
        self._retries = retries
        self._http = httpx.AsyncClient(**_options(url, key, timeout))

    async def search(
        self,
        text: str,
        lang: str = "auto",
        k: int = 10,
        *,
        filter: str | None = None,
        explain: bool = False,
        hybrid: bool = False,
    ) -> Results:
        """See :meth:`Client.search`."""
        answer = await self._ask("POST", "/search", _body(text, lang, k, filter, explain, hybrid))
        return _results(answer, self._http.base_url)

    async def languages(self) -> list[str]:
        """See :meth:`Client.languages`."""
        return _languages(await self._ask("GET", "/languages"), self._http.base_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        """Return the client itself."""
        return self

    async def __aexit__(self, *of_an_error: object) -> None:
        """Close the connections."""
        await self.close()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        attempt = 0
        while True:
            outcome: httpx.Response | httpx.HTTPError
            try:
                outcome = await self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                outcome = error
            wait = _wait(outcome, attempt, self._retries)
            if wait is None:
                return _answer(outcome, self._http.base_url)
            await asyncio.sleep(wait)
            attempt += 1


def _options(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:  # it may repeat a password
        raise OpticalError(
            "The address of the service is no URL. Write it like http://localhost:8000."
        ) from None
    if base.scheme not in ("http", "https") or not base.host:
        raise OpticalError(
            f"{_shown(base)!r} is no address of a service. Write it like http://localhost:8000."
        )
    headers = {}
    if key is not None:
        if not _KEY.fullmatch(key.strip()):
            raise OpticalError(
                "The API key is empty, or has characters that no key has. Give what `optical key` said, and no more."
            )
        headers["Authorization"] = f"Bearer {key.strip()}"
    return {"base_url": base, "headers": headers, "timeout": timeout}


def _shown(url: httpx.URL) -> str:
    """Return the URL without the name and password that may stand in it."""
    return str(url.copy_with(userinfo=b""))


def _body(text: str, lang: str, k: int, filter: str | None, explain: bool, hybrid: bool) -> dict[str, Any]:
    body = {"text": text, "lang": lang, "k": k, "filter": filter, "explain": explain, "hybrid": hybrid}
    if not _is_text(body):
        raise OpticalError(
            "The query, its language or its filter has half a character (a lone surrogate), which cannot be sent. "
            "Read it as UTF-8."
        )
    return body


def _is_text(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _wait(outcome: httpx.Response | httpx.HTTPError, attempt: int, retries: int) -> float | None:
    """Return after how many seconds to try again; None if that is no use, or enough was tried."""
    response = outcome if isinstance(outcome, httpx.Response) else None
    if attempt >= retries or (response is not None and response.status_code not in _PASSING):
        return None
    if response is None and (not isinstance(outcome, httpx.TransportError) or isinstance(outcome, _OURS)):
        return None
    told = "" if response is None else response.headers.get("Retry-After", "")
    # Not all at the same time again.
    wait = float(told) if told.isdecimal() else 0.5 * 2**attempt
    return min(wait, _LONGEST_WAIT) * random.uniform(1.0, 1.25)


def _answer(outcome: httpx.Response | httpx.HTTPError, url: httpx.URL) -> dict[str, Any]:
    if isinstance(outcome, httpx.HTTPError):
        raise OpticalError(
            f"The service at {_shown(url)} does not answer ({outcome}). Check that it runs, and its address."
        ) from outcome
    try:
        answer = outcome.json()
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not _is_text(answer):
        answer = {}
    elif outcome.is_success:
        return answer
    told = answer.get("error")
    reason = told if isinstance(told, str) else _NO_ANSWER
    raise OpticalError(f"The service at {_shown(url)} says {outcome.status_code}: {reason}")


@contextmanager
def _reading(url: httpx.URL) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OpticalError(
            f"The service at {_shown(url)} says something else. {_NO_ANSWER} Check the address."
        ) from error


def _results(answer: dict[str, Any], url: httpx.URL) -> Results:
    with _reading(url):
        language = answer["language"]
        hits = [_hit(found) for found in _list(answer["hits"])]
        hybrid = _list(answer["hybrid"])
        return Results(hits, _list(language["languages"]), float(language["confidence"]), hybrid)


def _languages(answer: dict[str, Any], url: httpx.URL) -> list[str]:
    with _reading(url):
        return _list(answer["languages"])


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("It is no list.")
    return value


def _hit(found: dict[str, Any]) -> Hit:
    # A later service may tell more.
    known = ("id", "rank", "score", "language", "title", "text", "metadata")
    matches = (found.get("explanation") or {}).get("matches", ())
    return Hit(**{name: found[name] for name in known}, matches=tuple(matches))
