"""Places for indexes: folders, collections of a server of ours that answers as Qdrant does, and of a real one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient

from optical.index.cluster.address import Address

from .qdrant_server import FakeQdrant, running

NO_SERVER = "QDRANT_URL names no Qdrant server (as qdrant://localhost:6333)"


@pytest.fixture
def qdrant() -> Iterator[FakeQdrant]:
    with running() as server:
        yield server


@pytest.fixture
def collections() -> Iterator[Callable[[], str]]:
    """Make addresses of collections on the server that QDRANT_URL names; they are removed in the end."""
    server = os.environ.get("QDRANT_URL")
    if not server:
        pytest.skip(NO_SERVER)
    made: list[Address] = []

    def make() -> str:
        made.append(Address.parse(f"{server}/optical-test-{uuid4().hex}"))
        return str(made[-1])

    yield make
    for each in made:
        client = QdrantClient(url=each.url, api_key=os.environ.get("QDRANT_API_KEY"))
        client.delete_collection(each.collection)
        client.close()


@pytest.fixture(params=["folder", "cluster", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an index may be built."""
    if request.param == "folder":
        return str(tmp_path / "index")
    if request.param == "cluster":
        return f"{request.getfixturevalue('qdrant').url}/index"
    return str(request.getfixturevalue("collections")())
