"""The process that makes cells, by itself."""

import signal
import subprocess
import sys
from pathlib import Path


def test_it_ends_when_the_study_that_started_it_is_gone(tmp_path: Path) -> None:
    nobody = "0"
    command = [
        sys.executable,
        "-m",
        "optical.study.cell_process",
        "study.toml",
        str(tmp_path),
        "teacher",
        nobody,
    ]
    # Its standard input stays open, as that of a process in the middle of a cell does until it reads again.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
