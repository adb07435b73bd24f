"""The process that serves: its socket, its signals, its end."""

import asyncio
import errno
import ipaddress
import logging
import math
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from optical.errors import OpticalError
from optical.serving.access import PATIENCE
from optical.serving.search import SearchService
from optical.serving.settings import Settings

logger = logging.getLogger(__name__)

# Seconds in which a request is read whose connection was accepted just before the end.
_LAST_REQUESTS = 0.2
# Connections for each request at a time: clients keep them for the next.
_CONNECTIONS = 4


def is_local(host: str) -> bool:
    """Return whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``host`` and ``port`` (0: any that is free).

    Raises:
        OpticalError: the port is in use or not allowed, or there is no such host here.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Only where the protocol is named does asyncio set TCP_NODELAY, without which the second piece of an answer
        # waits for the client to acknowledge the first: 40 ms on Linux.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        raise _unusable(host, port, error) from error
    return listener


def _unusable(host: str, port: int, error: Exception) -> OpticalError:
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return OpticalError(
            f"Port {port} of {host} is in use. Stop what uses it, or choose another with --port."
        )
    return OpticalError(f"{host}, port {port} cannot be listened at ({error}). Choose others.")


def listen(listener: socket.socket) -> None:
    """Let connections come.

    Raises:
        OpticalError: another process has taken the port meanwhile.
    """
    try:
        listener.listen()
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise _unusable(host, port, error) from error


def hold_reloads() -> None:
    """Ignore SIGHUP, which would end the process, until :func:`run` takes it."""
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def run(application: FastAPI, service: SearchService, listener: socket.socket, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests at work then get their answers. SIGHUP loads the encoders anew.

    A signal and not a request does it because who may send it is settled already, by the operating system, and
    because no key, however it leaks, then makes the service read files. One that comes during a reload is followed by
    another reload.
    """
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=_CONNECTIONS * settings.concurrency + 64,
        timeout_graceful_shutdown=math.ceil(PATIENCE * settings.timeout) + 1,
    )
    asyncio.run(_serve(_Server(config), service, listener))


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, but first read the requests of the connections that were made."""
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            # Not closed: the loop drops connections that it has accepted for a closed listener.
            loop.remove_reader(listener)
            waiting = list(_accept_all(listener))  # the system would reset them
            with suppress(OSError):  # some systems cannot do that
                listener.shutdown(socket.SHUT_RDWR)
            for connection in waiting:
                await loop.connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(_LAST_REQUESTS)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """Return what reads a connection, as uvicorn makes it."""
        kind: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _accept_all(listener: socket.socket) -> Iterator[socket.socket]:
    with suppress(OSError):  # none is left
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


async def _serve(server: uvicorn.Server, service: SearchService, listener: socket.socket) -> None:
    asked = asyncio.Event()
    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    reloading = asyncio.create_task(_reload_whenever(asked, service))
    try:
        await server.serve([listener])
    finally:
        reloading.cancel()


async def _reload_whenever(asked: asyncio.Event, service: SearchService) -> None:
    while True:
        await asked.wait()
        asked.clear()
        await _reload(service)


async def _reload(service: SearchService) -> None:
    try:
        await service.reload()
    except OpticalError as error:
        logger.error("The encoders could not be loaded anew; those before stay in use: %s", error)
    except Exception:
        logger.exception("The encoders could not be loaded anew; those before stay in use.")
    else:
        logger.info("The encoders were loaded anew.")
