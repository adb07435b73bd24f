"""A process that makes cells, as the study sees it."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from optical.study.cells import Cell, StudyFolder

_SECONDS_TO_STOP = 20
_SECONDS_BETWEEN_LOOKS = 0.2


class StoppedError(Exception):
    """The study is to stop before the cell is made."""


class CellWorker:
    """Makes cells in one process, as starting one takes long; if it dies, the next cell gets another.

    Args:
        config: of the study.
        folder: of the study.
        teacher: in place of the one in the configuration.
        threads: that the process may use.
    """

    def __init__(self, config: str | Path, folder: StudyFolder, teacher: str, threads: int) -> None:
        self._command = [
            sys.executable,
            "-m",
            "optical.study.cell_process",
            str(config),
            str(folder.folder),
            teacher,
            str(os.getpid()),
        ]
        self._folder = folder
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def make(self, cell: Cell, made_of: dict[str, str], stopped: Callable[[], bool]) -> str | None:
        """Make a cell; return None, or what went wrong.

        Args:
            cell: to make.
            made_of: its identity.
            stopped: is asked now and then whether to stop.

        Raises:
            StoppedError: ``stopped`` said so. The process is stopped, and what it has not finished stays.
        """
        log = self._folder.log(cell)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
        process = self._started(log)
        assert process.stdin is not None
        # A process that has died says so below.
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps([vars(cell), made_of]) + "\n")
            process.stdin.flush()
        while (answer := self._next_answer()) != "":
            if answer == cell.name:
                return None
            if stopped():
                self.close()
                raise StoppedError
        code = process.wait()
        self.close()
        # A scheduler tells all processes at once to end.
        if stopped() or code == 128 + signal.SIGTERM:
            raise StoppedError
        return _last_words(code, log.read_text(encoding="utf-8", errors="replace"))

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()

    def _next_answer(self) -> str | None:
        """Return the next line of the process, "" when it has ended, or None if it says nothing for a while."""
        try:
            return self._answers.get(timeout=_SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return None

    def _started(self, log: Path) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            with log.open("a", encoding="utf-8") as file:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, "OMP_NUM_THREADS": str(self._threads)},
                    start_new_session=True,  # Ctrl-C is for the parent, which then stops its cells
                )
            assert self._process.stdout is not None
            self._answers = queue.SimpleQueue()
            threading.Thread(target=_pass_on, args=(self._process.stdout, self._answers), daemon=True).start()
        return self._process


def _pass_on(lines: IO[str], answers: "queue.SimpleQueue[str]") -> None:
    """Put each line that says something into ``answers``, and "" when the process has ended."""
    with lines:
        for line in lines:
            if line.strip():
                answers.put(line.strip())
    answers.put("")


def _last_words(code: int, log: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    lines = log.strip().splitlines()
    if "Traceback" not in log or not lines:
        return f"ended with code {code}"
    return lines[-1].removeprefix("optical.errors.OpticalError: ")
