"""A real HTTP server of one file that can do, or refuse to do, what servers of data do."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """The file, how the server treats it, and what it was asked."""

    content: bytes
    ranges: bool = True
    status: int = 200
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the next connections break, one each."""
    with_length: bool = True
    version: bool = True
    address: str = ""
    requests: list[str] = field(default_factory=list)
    """The Range header of each request."""

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            served.requests.append(asked)
            if served.status != 200:
                self.send_error(served.status)
                return
            start = 0
            if asked and served.ranges and self.headers.get("If-Range") == served.tag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(served.content):
                self.send_error(416)
                return
            rest = served.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}"
                )
            if served.with_length:
                self.send_header("Content-Length", str(len(rest)))
            if served.version:
                self.send_header("ETag", served.tag)
            self.end_headers()
            self.wfile.write(rest[: served.cut_after.pop(0)] if served.cut_after else rest)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_address[1]}/data.bin"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
