"""The process that serves: its socket, its signals, its end."""

import asyncio
import errno
import ipaddress
import logging
import signal
import socket

import uvicorn
from fastapi import FastAPI

from optical.errors import OpticalError
from optical.serving.search import SearchService

logger = logging.getLogger(__name__)

_LAST_ANSWERS = 30  # seconds that requests at work have at the end


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
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
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


def run(application: FastAPI, service: SearchService, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests at work then get their answers. SIGHUP loads the encoders anew.

    A signal and not a request does it because who may send it is settled already, by the operating system, and
    because no key, however it leaks, then makes the service read files.

    Raises:
        OpticalError: another process has taken the port meanwhile.
    """
    try:
        listener.listen()
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise _unusable(host, port, error) from error
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS,
    )
    asyncio.run(_serve(uvicorn.Server(config), service, listener))


async def _serve(server: uvicorn.Server, service: SearchService, listener: socket.socket) -> None:
    reloading: set[asyncio.Task[None]] = set()

    def begin() -> None:
        if not reloading:
            task = asyncio.create_task(_reload(service))
            reloading.add(task)
            task.add_done_callback(reloading.discard)

    if hasattr(signal, "SIGHUP"):  # not on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)
    await server.serve([listener])


async def _reload(service: SearchService) -> None:
    try:
        await service.reload()
    except OpticalError as error:
        logger.error("The encoders could not be loaded anew; those before stay in use: %s", error)
    except Exception:
        logger.exception("The encoders could not be loaded anew; those before stay in use.")
    else:
        logger.info("The encoders were loaded anew.")
