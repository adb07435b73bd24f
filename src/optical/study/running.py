"""Running the cells of a study, each in a process of its own, as far as they are not done."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from optical.errors import OpticalError
from optical.files import replace_file
from optical.study.cells import Cell, StudyFolder, cells_of, identity, parts_of, write_cell
from optical.study.config import read_study
from optical.study.preparation import prepare

logger = logging.getLogger(__name__)

_SECONDS_TO_STOP = 20


@dataclass
class Progress:
    """How a study stands: cells by state; ``left`` were not started or not finished for want of time."""

    done: int = 0
    failed: list[str] = field(default_factory=list)
    left: int = 0


def run_study(
    config: str | Path,
    output: str | Path,
    *,
    data: str | Path = ".",
    teacher: str | None = None,
    workers: int = 1,
    minutes: float | None = None,
    recompute: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Progress:
    """Make all cells of a study that are not there yet.

    Each cell runs in its own process; one that crashes is recorded with its last words, and the others go on. A study
    that was stopped goes on when called again, and so does the training inside a cell.

    Args:
        config: see :func:`read_study`.
        output: folder for cells, runs, logs and work in progress.
        data: folder that the files in the configuration are relative to.
        teacher: in place of the one in the configuration, for a machine that has it somewhere else.
        workers: processes at the same time, which share the cores.
        minutes: stop after this time; None = when all is done.
        recompute: make cells again whose code, data or configuration has changed since.
        report: is given a line for each cell.

    Raises:
        OpticalError: a bad configuration or file; another process is at work in ``output``; or a cell there was made by
            other code, data or configuration, and ``recompute`` is not set.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    study = read_study(config, teacher=teacher)
    folder = StudyFolder(Path(output))
    folder.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.folder / ".lock", timeout=0):
            prepared = prepare(study, Path(data), folder.work)
            for (language, amount), bitext in prepared.bitext.items():
                dropped = ", ".join(f"{count} {reason}" for reason, count in bitext.dropped.items() if count)
                report(
                    f"Bitext {language}, {amount}: {bitext.pairs} pairs"
                    + (f" (left out: {dropped})" if dropped else "")
                )
            cells = {cell: identity(cell, study, prepared) for cell in cells_of(study, prepared)}
            with replace_file(folder.plan) as temporary:
                temporary.write_text(
                    json.dumps([cell.name for cell in cells], indent=1) + "\n", encoding="utf-8"
                )
            waiting = [cell for cell in cells if not _is_done(cell, folder, cells[cell], recompute=recompute)]
            report(f"{len(cells) - len(waiting)} of {len(cells)} cells are there.")
            runner = _Runner(config, folder, study.teacher, cells, workers, until, report)
            return runner.run(waiting, {cell: parts_of(cell, study) for cell in cells})
    except Timeout as error:
        raise OpticalError(
            f"Another process is at work in {folder.folder}. Wait for it, or choose another output."
        ) from error


def _is_done(cell: Cell, folder: StudyFolder, made_of: dict[str, str], *, recompute: bool) -> bool:
    file = folder.cell(cell)
    if not file.exists():
        return False
    result = json.loads(file.read_text(encoding="utf-8"))
    if "error" in result:
        return False
    changed = [what for what, digest in made_of.items() if result["identity"].get(what) != digest]
    if changed and not recompute:
        raise OpticalError(
            f"{file} was made with other {' and '.join(changed)}. Give --recompute to make such cells again, or "
            "choose another output."
        )
    return not changed


class _Runner:
    """Keeps ``workers`` processes busy with cells whose parts are done."""

    def __init__(
        self,
        config: str | Path,
        folder: StudyFolder,
        teacher: str,
        identities: dict[Cell, dict[str, str]],
        workers: int,
        until: float | None,
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._folder = folder
        self._teacher = teacher
        self._identities = identities
        self._workers = workers
        self._until = until
        self._report = report
        self._stopped = threading.Event()
        self.progress = Progress(done=0)

    def run(self, waiting: list[Cell], parts: dict[Cell, list[Cell]]) -> Progress:
        combined = [cell for cell in waiting if parts[cell]]
        self.progress.done = len(self._identities) - len(waiting)
        # Systems made of others come last: the runs that they combine are there then.
        for cells in ([cell for cell in waiting if not parts[cell]], combined):
            with ThreadPoolExecutor(self._workers) as pool:
                try:
                    list(pool.map(self._make, cells))
                except KeyboardInterrupt:
                    self._stopped.set()
                    raise
        return self.progress

    def _make(self, cell: Cell) -> None:
        if self._out_of_time():
            self.progress.left += 1
            return
        started = time.monotonic()
        log = self._folder.log(cell)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "optical.study.cell_process",
            str(self._config),
            str(self._folder.folder),
        ]
        command += [self._teacher, json.dumps([vars(cell), self._identities[cell]])]
        threads = max(1, (os.cpu_count() or 1) // self._workers)
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=file, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
            )
            while process.poll() is None:
                if self._out_of_time():
                    _stop(process)
                    self.progress.left += 1
                    return
                time.sleep(0.2)
        if process.returncode == 0:
            self.progress.done += 1
            self._report(
                f"{cell.name}: done in {time.monotonic() - started:.0f} s ({self.progress.done} done)"
            )
            return
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        error = words[-1] if words else f"ended with code {process.returncode}"
        write_cell(self._folder.cell(cell), cell, self._identities[cell], {"error": error})
        self.progress.failed.append(cell.name)
        self._report(f"{cell.name}: failed ({error}); see {log}")

    def _out_of_time(self) -> bool:
        return self._stopped.is_set() or (self._until is not None and time.monotonic() > self._until)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
