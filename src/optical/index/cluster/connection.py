"""Requests to a Qdrant server: repeated while what is wrong may pass, and its errors in ours."""

import os
import random
import re
import time
import warnings
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, TypeVar

import httpx
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from optical.errors import OpticalError, beginning
from optical.index.cluster.address import Address
from optical.index.engine import IndexUnavailableError, RequestRefusedError

KEY = "QDRANT_API_KEY"
TIMEOUT = 30  # seconds for a request
READING_PATIENCE = 5.0  # seconds for which a search or another question is asked again
WRITING_PATIENCE = 60.0  # for changes, which a node's restart should not end
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds
# The request is at fault, and others may be answered.
_FAULTY = (400, 413, 422)
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_FULL = re.compile(r"no space left|not enough space|disk space|out of memory|memory limit", re.IGNORECASE)
_MISSING = re.compile(r"collection.*(does ?n.t exist|does not exist|not found)", re.IGNORECASE)

# What the client raises: the first two for answers that are errors, the others for those that it cannot read.
_ERRORS = (ApiException, QdrantException, JSONDecodeError, UnicodeDecodeError, AssertionError)

Answer = TypeVar("Answer")


class MissingError(IndexUnavailableError):
    """There is no such collection."""


class ConflictError(OpticalError):
    """The collection exists already."""


class Connection:
    """Requests to the server at an address, from any thread; the key is in the environment variable QDRANT_API_KEY."""

    def __init__(self, address: Address) -> None:
        self._address = address
        key = os.environ.get(KEY) or None
        if key is not None and not re.fullmatch(r"[!-~]+", key):
            raise OpticalError(
                f"The environment variable {KEY} holds a space, the end of a line, or what is not ASCII. Put the bare "
                "key into it."
            )
        self._has_key = key is not None
        with warnings.catch_warnings():
            # It warns of a key on a connection without TLS, which is how clusters work inside a private network.
            warnings.simplefilter("ignore")
            self._client = QdrantClient(
                url=address.url,
                api_key=key,
                timeout=TIMEOUT,
                check_compatibility=False,
            )

    def read(self, method: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Return what a method of the client, which changes nothing, returns for these arguments.

        Raises:
            IndexUnavailableError: the server does not answer for some seconds, or refuses whatever is asked; the
                message names the address.
            OpticalError: it refuses this request.
        """
        return self._repeated(lambda: method(self._client, *args, **kwargs), READING_PATIENCE)

    def write(self, method: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Return what a method of the client, which may be called twice to the same effect, returns.

        Raises:
            OpticalError: as :meth:`read`, but after a minute.
        """
        return self._repeated(lambda: method(self._client, *args, **kwargs), WRITING_PATIENCE)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _repeated(self, request: Callable[[], Answer], patience: float) -> Answer:
        end = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return request()
            except _ERRORS as error:
                wait = max(pause * random.uniform(0.5, 1), _asked_to_wait(error))
                if not _may_pass(error) or time.monotonic() + wait > end:
                    raise self._explained(error) from error
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _explained(self, error: Exception) -> OpticalError:
        address = self._address
        if isinstance(error, QdrantException):
            return IndexUnavailableError(
                f"{address} is busy ({error}). Try again later, or ask less at a time."
            )
        if isinstance(error, UnexpectedResponse):
            return self._refused(error.status_code, _words(error))
        source = error.source if isinstance(error, ResponseHandlingException) else error
        if isinstance(source, httpx.TimeoutException):
            return IndexUnavailableError(
                f"{address} did not answer within {TIMEOUT} seconds. Look whether the server is well, and try again."
            )
        if isinstance(source, httpx.HTTPError):
            return IndexUnavailableError(
                f"{address} cannot be reached ({str(source) or type(source).__name__}). Start the server, or correct "
                "the address: qdrant:// is without TLS, qdrants:// with it."
            )
        return IndexUnavailableError(
            f"{address} does not answer as Qdrant does ({type(source).__name__}). Correct the address, or use a "
            "version of Qdrant near that of qdrant-client."
        )

    def _refused(self, status: int | None, words: str) -> OpticalError:
        address = self._address
        kind = RequestRefusedError if status in _FAULTY else IndexUnavailableError
        if status == 401 or (status == 403 and not self._has_key):
            return IndexUnavailableError(
                f"{address} {'refuses the key' if self._has_key else 'asks for a key'} ({words}). Put the right key "
                f"into the environment variable {KEY}."
            )
        if status == 403:
            return IndexUnavailableError(
                f"The key does not permit this at {address} ({words}). Put one that does into the environment "
                f"variable {KEY}."
            )
        if status == 404 and _MISSING.search(words):
            return MissingError(f"There is no collection {address} ({words}). Correct the address.")
        if status == 409:
            return ConflictError(f"{address} exists already. Remove it, or choose another name.")
        if status == 507 or _FULL.search(words):
            return kind(
                f"The server of {address} is full ({words}). What was stored before is safe: give it space, and give "
                "the same command again."
            )
        return kind(
            f"{address} refuses the request, with status {status} ({words}). Look at the server's log."
        )


def _may_pass(error: Exception) -> bool:
    if isinstance(error, QdrantException):
        return True
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _TRANSIENT and not _FULL.search(_words(error))
    return isinstance(error, ResponseHandlingException) and isinstance(error.source, httpx.TransportError)


def _asked_to_wait(error: Exception) -> float:
    return float(error.retry_after_s) if isinstance(error, ResourceExhaustedResponse) else 0.0


def _words(error: UnexpectedResponse) -> str:
    """Return what the server says is wrong, which may be a page of something that is not Qdrant."""
    try:
        words = str(error.structured()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        words = error.reason_phrase or "no reason given"
    return beginning(words, 300)
