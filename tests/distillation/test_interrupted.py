"""Runs that are killed, stopped, and taken up again."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.distillation import distill
from optical.errors import OpticalError

# Long enough that the first checkpoint of four is far from the last.
SETTINGS: dict[str, Any] = {"steps": 160, "batch_size": 8, "held_back": 40, "evaluations": 4}


@pytest.fixture
def command(teacher_folder: Path, bitext: Path, tmp_path: Path) -> list[str]:
    arguments = [sys.executable, "-m", "optical", "distill"]
    places = {"teacher": teacher_folder, "bitext": bitext, "output": tmp_path / "student"}
    for name, value in {**places, **SETTINGS}.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def stop_after_first_checkpoint(
    command: Sequence[str], output: Path, number: signal.Signals
) -> tuple[int, str]:
    """Return exit code and standard error of the process, which takes the latter for a terminal."""
    ours, theirs = pty.openpty()
    chunks: list[bytes] = []

    def read() -> None:
        # Reading from a terminal that nobody has open any more is an error.
        with suppress(OSError):
            while chunk := os.read(ours, 4096):
                chunks.append(chunk)

    reader = threading.Thread(target=read)
    # Sums over several threads are rounded differently from those of the one that the tests use.
    environment = {**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, stderr=theirs, env=environment)
    os.close(theirs)
    reader.start()
    try:
        first = output.with_name("student.partial") / "checkpoints" / "checkpoint-40" / "trainer_state.json"
        while not first.exists():
            assert process.poll() is None, b"".join(chunks).decode()
            time.sleep(0.01)
        process.send_signal(number)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(ours)
    return process.returncode, b"".join(chunks).decode()


def test_a_killed_run_goes_on_to_the_same_student(
    command: list[str],
    teacher_folder: Path,
    bitext: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output, work = tmp_path / "student", tmp_path / "student.partial"
    code, _ = stop_after_first_checkpoint(command, output, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not output.exists()
    # A process may also die in the middle of writing a checkpoint.
    torn = work / "checkpoints" / "checkpoint-159"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_step": 2')

    resumed = distill(teacher_folder, bitext, output, progress=True, **SETTINGS)
    steps = [line.split(":")[0] for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert "step 40" not in steps
    assert steps[-1] == "step 160"
    assert not work.exists()

    straight = distill(teacher_folder, bitext, tmp_path / "straight", **SETTINGS)
    saved = MultiVectorEncoder(str(output)).state_dict()
    for name, weight in straight.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
        assert torch.equal(weight, saved[name]), name


def test_ctrl_c_keeps_the_work_for_the_same_command_only(
    command: list[str], teacher_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    output, work = tmp_path / "student", tmp_path / "student.partial"
    code, error = stop_after_first_checkpoint(command, output, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in error
    assert "Stopped" in error
    assert "again" in error
    hidden, shown = error.rfind("\x1b[?25l"), error.rfind("\x1b[?25h")
    assert 0 <= hidden < shown, "the cursor is to be visible again"
    assert not output.exists()
    kept = sorted(work.rglob("*"))
    for changed in ({"seed": 1}, {"objective": "mean-pool"}, {"steps": 161}):
        with pytest.raises(OpticalError, match=f"{work} holds something else, or an unfinished run"):
            distill(teacher_folder, bitext, output, **{**SETTINGS, **changed})
    assert sorted(work.rglob("*")) == kept
    assert not output.exists()
