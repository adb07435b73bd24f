"""Indexes built on a Ray cluster: two nodes on this machine."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sentence_transformers import MultiVectorEncoder

from optical import packages
from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Index, RayWorkers

from .building import BATCH, CHUNK, assert_same_outcome, descendants, passages


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **store})
    try:
        started.add_node(num_cpus=1, object_store_memory=100 * 2**20)
        started.wait_for_nodes()
        yield started
    finally:
        started.shutdown()


def encoding() -> list[psutil.Process]:
    return [each for each in descendants() if "encode_texts" in each.name() + " ".join(each.cmdline())]


@pytest.mark.slow
def test_two_nodes_one_of_which_fails_build_what_one_process_builds(
    cluster: Any, tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    wanted = passages(8 * CHUNK + 5)
    killed: list[int] = []

    def read() -> Iterator[Passage]:
        for number, each in enumerate(wanted):
            if number == 5 * CHUNK:
                for victim in encoding():
                    victim.kill()
                    killed.append(victim.pid)
            if number == 6 * CHUNK:
                cluster.remove_node(next(iter(cluster.worker_nodes)))
            yield each

    Index.create(tmp_path / "one", tiny_teacher, wanted, batch_size=BATCH).close()
    workers = RayWorkers(tmp_path / "teacher", cluster.address)
    Index.create(tmp_path / "two", tiny_teacher, read(), batch_size=BATCH, workers=workers).close()
    assert killed
    assert_same_outcome(tmp_path / "one", tmp_path / "two", tiny_teacher)
    nowhere = RayWorkers("no/where", cluster.address)
    with pytest.raises(OpticalError, match=r"A worker on .* cannot encode: no/where could not be loaded"):
        Index.create(tmp_path / "three", tiny_teacher, wanted, workers=nowhere)
    assert not (tmp_path / "three").exists()


def test_a_cluster_that_is_not_there_is_explained(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    for address in (f"127.0.0.1:{closed}", f"ray://localhost:{closed}", "auto", "host:port"):
        workers = RayWorkers("teacher", address)
        with pytest.raises(OpticalError, match=f"no Ray cluster to be reached at {address} .*Start one"):
            Index.create(tmp_path / "index", tiny_teacher, passages(3), workers=workers)
        assert not (tmp_path / "index").exists()


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OpticalError, match=r"needs the package ray.*pip install 'optical\[ray\]'"):
        RayWorkers("teacher", "localhost:6379")
