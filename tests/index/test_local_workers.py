"""Indexes built by processes: the outcome, workers that die, and the end of the caller."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import fingerprint
from optical.errors import OpticalError
from optical.index import Index, LocalWorkers
from optical.index.parallel import encode_texts

from .building import BATCH, CHUNK, assert_same_outcome, descendants, passages


@pytest.fixture
def teacher(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> Path:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    return tmp_path / "teacher"


def worker_processes() -> list[psutil.Process]:
    return [each for each in descendants() if "local_workers" in " ".join(each.cmdline())]


def test_two_workers_one_of_which_is_killed_build_what_one_process_builds(
    teacher: Path, tiny_teacher: MultiVectorEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = passages(6 * CHUNK + 5)
    killed: list[int] = []

    def read() -> Iterator[Passage]:
        for number, each in enumerate(wanted):
            if number == 5 * CHUNK:
                victims = worker_processes()
                assert len(victims) == 2
                victims[0].kill()
                killed.append(victims[0].pid)
            yield each

    Index.create(tmp_path / "one", tiny_teacher, wanted, batch_size=BATCH).close()
    monkeypatch.chdir(teacher.parent)
    workers = LocalWorkers("teacher", 2)
    Index.create(tmp_path / "two", tiny_teacher, read(), batch_size=BATCH, workers=workers).close()
    assert killed
    assert worker_processes() == []
    assert_same_outcome(tmp_path / "one", tmp_path / "two", tiny_teacher)


def stopped_after(number: int) -> Iterator[Passage]:
    yield from passages(number)
    raise KeyboardInterrupt


def test_workers_that_all_die_are_explained_and_a_rerun_goes_on(
    teacher: Path, tiny_teacher: MultiVectorEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, index = passages(2 * CHUNK), tmp_path / "index"
    workers = LocalWorkers(teacher, 2)

    def build(stream: object, **options: object) -> None:
        Index.create(index, tiny_teacher, stream, batch_size=BATCH, **options).close()  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        build(stopped_after(CHUNK))
    with monkeypatch.context() as changed:
        changed.setattr(sys, "executable", shutil.which("false"))
        with pytest.raises(
            OpticalError, match=r"so did the one in its place \(exit code 1;.*it goes on from"
        ):
            build(wanted, workers=workers)
    with pytest.raises(OpticalError, match="unfinished"):
        Index.open(index)
    build(wanted)
    Index.create(tmp_path / "one", tiny_teacher, wanted, batch_size=BATCH).close()
    assert_same_outcome(tmp_path / "one", index, tiny_teacher)


def test_workers_without_the_encoder_are_explained_and_nothing_is_left(
    teacher: Path, tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    workers = LocalWorkers("no/where", 2)
    with pytest.raises(OpticalError, match=r"A worker on .* cannot encode: no/where could not be loaded"):
        Index.create(tmp_path / "index", tiny_teacher, passages(3), workers=workers)
    assert not (tmp_path / "index").exists()
    assert worker_processes() == []
    with pytest.raises(OpticalError, match=r"number of workers is 0\. Give at least 1"):
        LocalWorkers(teacher, 0)


def test_a_worker_with_another_encoder_is_explained(teacher: Path, tiny_teacher: MultiVectorEncoder) -> None:
    with torch.no_grad():
        tiny_teacher[1].linear.weight += 0.01
    with pytest.raises(
        OpticalError, match=r"belongs to teacher .* Give the workers the encoder that the index"
    ):
        encode_texts(str(teacher), fingerprint(tiny_teacher), ["a river"], 1)


@pytest.mark.parametrize(
    ("signal_", "answered"),
    [
        (signal.SIGINT, 0),
        pytest.param(signal.SIGINT, 2**19, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, 2**19, marks=pytest.mark.slow),
    ],
)
def test_no_worker_outlives_the_command_and_a_rerun_goes_on(
    signal_: signal.Signals, answered: int, teacher: Path, tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    wanted = passages(8 * 512 if answered else 2 * 512)
    lines = (
        json.dumps({"_id": each.id, "text": each.text, "metadata": {**each.metadata}}) for each in wanted
    )
    file, index = tmp_path / "passages.jsonl", tmp_path / "index"
    file.write_text("\n".join(lines), encoding="utf-8")
    options = ["--encoder", str(teacher), "--passages", str(file), "--output", str(index), "--workers", "2"]
    command = [sys.executable, "-m", "optical", "index", *options]
    build = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    workers: list[psutil.Process] = []
    while len(workers) < 2 or workers[0].io_counters().write_chars < answered:
        assert build.poll() is None
        workers = psutil.Process(build.pid).children()
    os.killpg(build.pid, signal_)
    _, error = build.communicate(timeout=300)
    assert build.returncode == (130 if signal_ == signal.SIGINT else -9)
    assert b"Traceback" not in error
    _, alive = psutil.wait_procs(workers, timeout=300)
    assert alive == []
    again = LocalWorkers(teacher, 2) if answered else None
    Index.create(index, tiny_teacher, wanted, workers=again).close()
    Index.create(tmp_path / "one", tiny_teacher, wanted).close()
    assert_same_outcome(tmp_path / "one", index, tiny_teacher)
