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
from transformers import TrainerState

from optical.distillation import distill
from optical.distillation.progress import TrainingProgress
from optical.distillation.trainer import last_checkpoint
from optical.encoders import read_provenance
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
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, stderr=theirs, env=environment)
    os.close(theirs)
    reader.start()
    try:
        checkpoints = output.with_name("student.partial") / "checkpoints"
        while last_checkpoint(checkpoints) is None:
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


@pytest.mark.parametrize(
    "name", [pytest.param("adversarial", marks=pytest.mark.slow), "adversarial-alternating"]
)
def test_a_stopped_run_goes_on_with_the_same_discriminator(
    name: str, teacher_folder: Path, bitext: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        **{"steps": 40, "batch_size": 16, "held_back": 40, "evaluations": 4, "learning_rate": 1e-3},
        "objective": f"optical + {name}" if name == "adversarial" else f"optical + 10*{name}",
    }
    straight = distill(teacher_folder, bitext, tmp_path / "straight", **settings)

    class StoppedError(Exception):
        pass

    def stop(self: TrainingProgress, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if state.global_step == 25:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_step_end", stop)
        with pytest.raises(StoppedError):
            distill(teacher_folder, bitext, tmp_path / "student", **settings)
    torch.rand(7)  # what else the process does with random numbers makes no difference
    resumed = distill(teacher_folder, bitext, tmp_path / "student", **settings)

    made, expected = read_provenance(tmp_path / "student"), read_provenance(tmp_path / "straight")
    # The result is one of those that were trained after the stop.
    assert made["best_step"] == expected["best_step"] > 20
    assert made["objective"] == expected["objective"]
    assert made["development_after"] == expected["development_after"]
    for weight_name, weight in straight.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[weight_name]), weight_name
