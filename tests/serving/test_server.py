"""The process that serves: its end, and new encoders while it loads others."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from optical.serving import SearchService
from optical.serving.server import _reload_whenever, _Server, bind, listen

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("answered")(scope, receive, send)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what comes soon; where something is broken it never comes, and the test is to fail and not to hang."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("What the test waits for has not come.")


async def start(listener: socket.socket) -> tuple[_Server, "asyncio.Task[None]"]:
    listen(listener)
    server = _Server(uvicorn.Config(answer, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started)
    return server, serving


def test_no_piece_of_an_answer_waits_for_the_one_before_to_be_acknowledged() -> None:
    async def options_of_connection() -> set[int]:
        listener = bind("127.0.0.1", 0)
        server, serving = await start(listener)
        _, writer = await asyncio.open_connection(*listener.getsockname())
        await until(lambda: server.server_state.connections)
        found = {
            connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for connection in server.server_state.connections
        }
        writer.close()
        server.should_exit = True
        await serving
        return found

    assert 0 not in asyncio.run(options_of_connection())


def test_a_connection_that_was_made_before_the_end_gets_its_answer() -> None:
    async def serve_and_end() -> bytes:
        listener = bind("127.0.0.1", 0)
        server, serving = await start(listener)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        await until(lambda: server.server_state.connections)
        server.should_exit = True
        await until(lambda: listener_is_deaf(listener))
        writer.write(REQUEST)
        received = await reader.read()
        writer.close()
        await serving
        return received

    assert b"answered" in asyncio.run(serve_and_end())


def test_connections_that_nobody_has_accepted_at_the_end_get_their_answers() -> None:
    async def serve_and_end() -> list[bytes]:
        listener = bind("127.0.0.1", 0)
        server, serving = await start(listener)
        # Without await, so that only the system knows of them when the end begins.
        clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        for client in clients:
            client.sendall(REQUEST)
        ending = server.shutdown([listener])
        answers = asyncio.gather(*(asyncio.to_thread(client.makefile("rb").read) for client in clients))
        await ending
        serving.cancel()
        for client in clients:
            client.close()
        return await answers

    assert all(b"answered" in each for each in asyncio.run(serve_and_end()))


def listener_is_deaf(listener: socket.socket) -> bool:
    if listener.fileno() < 0:
        return True
    return not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_reload_that_is_asked_for_during_another_follows_it() -> None:
    class Slow(SearchService):
        def __init__(self) -> None:
            self.reloads = 0
            self.go_on = asyncio.Event()

        async def reload(self) -> None:
            self.reloads += 1
            await self.go_on.wait()

    async def ask() -> int:
        asked, service = asyncio.Event(), Slow()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
        task = asyncio.create_task(_reload_whenever(asked, service))
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: service.reloads)
            await asyncio.sleep(0.01)
        assert service.reloads == 1
        service.go_on.set()
        await asyncio.sleep(0.05)
        task.cancel()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        return service.reloads

    assert asyncio.run(ask()) == 2
