"""An HTTP server that answers as Qdrant does, by qdrant-client's in-process mode, and misbehaves when told to.

The in-process mode stores float32, has no shards, replicas or payload indexes, and scores all points. What is checked
against it is the behaviour of this side, down to the bytes sent; a real server is asked where QDRANT_URL names one.
"""

import json
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel
from qdrant_client import QdrantClient, models

Fault = tuple[int, bytes, dict[str, str]]


class FakeQdrant(ThreadingHTTPServer):
    """A Qdrant server of one node.

    Attributes:
        key: what requests must have as ``api-key``, if it is not empty.
        fault: asked before each request, with method and path, for an answer to give instead (None: give the right
            one); it may also raise, which breaks off the connection.
        after: called when a request was carried out, before the answer; it may raise, too.
        requests: method, path, query and body of all requests so far.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, client: QdrantClient | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.client = client or QdrantClient(":memory:")
        self.lock = threading.Lock()
        self.key = ""
        self.fault: Callable[[str, str], Fault | None] = lambda method, path: None
        self.after: Callable[[str, str], None] = lambda method, path: None
        self.requests: list[tuple[str, str, dict[str, list[str]], bytes]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"qdrant://127.0.0.1:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that were to break off."""


@contextmanager
def running(port: int = 0, client: QdrantClient | None = None) -> Iterator[FakeQdrant]:
    with FakeQdrant(port, client) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def failure(status: int, words: str, **headers: str) -> Fault:
    body = json.dumps({"status": {"error": words}, "time": 0}).encode()
    return status, body, headers


class _Handler(BaseHTTPRequestHandler):
    server: FakeQdrant
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.requests.append((self.command, parts.path, parse_qs(parts.query), body))
        status, content, headers = server.fault(self.command, parts.path) or self._right(parts.path, body)
        server.after(self.command, parts.path)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    def _right(self, path: str, body: bytes) -> Fault:
        server = self.server
        if server.key and self.headers.get("api-key") != server.key:
            return failure(401, "Invalid API key or JWT")
        with server.lock:
            try:
                result = _carry_out(server.client, self.command, path, body)
            except ValueError as error:
                status = 404 if "not found" in str(error) else 409 if "already exists" in str(error) else 400
                return failure(status, str(error))
        dumped = json.dumps({"result": _plain(result), "status": "ok", "time": 0.0})
        return 200, dumped.encode(), {}


def _carry_out(client: QdrantClient, method: str, path: str, body: bytes) -> Any:
    if path == "/collections":
        return client.get_collections()
    _, _, name, *rest = map(unquote, path.split("/"))
    action = (method, "/".join(rest))

    def sent(model: type[BaseModel]) -> Any:
        return model.model_validate_json(body)

    if action == ("GET", ""):
        return client.get_collection(name)
    if action == ("PUT", ""):
        made = sent(models.CreateCollection)
        return client.create_collection(
            name,
            vectors_config=made.vectors,
            sparse_vectors_config=made.sparse_vectors,
            metadata=made.metadata,
        )
    if action == ("PATCH", ""):
        return client.update_collection(name, metadata=sent(models.UpdateCollection).metadata)
    if action == ("DELETE", ""):
        return client.delete_collection(name)
    if action == ("PUT", "index"):
        client.get_collection(name)
        models.CreateFieldIndex.model_validate_json(body)
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
    if action == ("PUT", "points"):
        return client.upsert(name, sent(models.PointsList).points)
    if action == ("POST", "points"):
        asked = sent(models.PointRequest)
        return client.retrieve(
            name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector or False
        )
    if action == ("POST", "points/delete"):
        selector = models.FilterSelector if b'"filter"' in body else models.PointIdsList
        return client.delete(name, sent(selector))
    if action == ("PUT", "points/vectors"):
        return client.update_vectors(name, sent(models.UpdateVectors).points)
    if action == ("POST", "points/count"):
        asked = sent(models.CountRequest)
        return client.count(name, asked.filter, exact=asked.exact)
    if action == ("POST", "points/scroll"):
        asked = sent(models.ScrollRequest)
        records, offset = client.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit,
            offset=asked.offset,
            with_payload=asked.with_payload,
            with_vectors=asked.with_vector,
        )
        return models.ScrollResult(points=records, next_page_offset=offset)
    if action == ("POST", "points/query/batch"):
        return client.query_batch_points(name, sent(models.QueryRequestBatch).searches)
    raise ValueError(f"{action} not found")


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        return [_plain(each) for each in result]
    return result.model_dump(mode="json") if isinstance(result, BaseModel) else result


warnings.filterwarnings("ignore", "Payload indexes have no effect")
