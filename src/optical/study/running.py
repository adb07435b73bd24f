"""Running the cells of a study in processes of their own, as far as they are not done."""

import json
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from optical.errors import OpticalError
from optical.files import replace_file
from optical.study.cells import Cell, StudyFolder, cells_of, identity, parts_of, write_cell
from optical.study.config import Study, read_study
from optical.study.preparation import Prepared, prepare
from optical.study.worker import CellWorker, StoppedError


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

    Cells are made in processes of their own; one that crashes is recorded with its last words, and the others go on. A
    study that was stopped goes on when called again, and so does the training inside a cell.

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
            other code, data or configuration, and ``recompute`` is not set. Where what is declared cannot be
            prepared, a new ``output`` is taken away again.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    study = read_study(config, teacher=teacher)
    folder = StudyFolder(Path(output))
    try:
        is_new = _make_folder(folder.folder)
    except (FileExistsError, NotADirectoryError) as error:
        raise OpticalError(f"{folder.folder} is no folder. Choose another output.") from error
    try:
        with FileLock(folder.folder / ".lock", timeout=0):
            try:
                prepared = prepare(study, Path(data), folder.work)
            except OpticalError:
                if is_new:
                    shutil.rmtree(folder.folder, ignore_errors=True)
                raise
            for (language, amount), bitext in prepared.bitext.items():
                report(f"Bitext {language}, {amount}: {bitext.pairs} pairs{_left_out(bitext.dropped)}")
            for name in study.judged_depths():
                declared = study.judged[name]
                for language in study.languages:
                    judged = prepared.judged.get((name, language))
                    said = (
                        f"{judged.queries} queries{_left_out(judged.dropped)}"
                        if judged
                        else f"none ({declared.file('queries', language, Path(data))} does not exist)"
                    )
                    report(f"Judged {name}, {language}: {said}")
            cells = {cell: identity(cell, study, prepared) for cell in cells_of(study, prepared)}
            waiting = [cell for cell in cells if not _is_done(cell, folder, cells[cell], recompute=recompute)]
            # Results are kept without their runs where space is short; to combine them, they are made again.
            for cell in waiting:
                lacking = (part for part in parts_of(cell, study) if not _has_runs(part, folder, study))
                waiting.extend(part for part in lacking if part not in waiting)
            _write_plan(folder, cells, prepared)
            report(f"{len(cells) - len(waiting)} of {len(cells)} cells are there.")
            return _Runner(config, folder, study, cells, workers, until, report).run(waiting)
    except Timeout as error:
        raise OpticalError(
            f"Another process is at work in {folder.folder}. Wait for it, or choose another output."
        ) from error


def _make_folder(folder: Path) -> bool:
    """Make a folder; return whether it was not there."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return False
    return True


def _is_done(cell: Cell, folder: StudyFolder, made_of: dict[str, str], *, recompute: bool) -> bool:
    result = _recorded(cell, folder)
    if result is None or "error" in result:
        return False
    before = result["identity"]
    # What it was made of once and is not any more counts too, such as the content of a folder that is gone.
    changed = [what for what in {**made_of, **before} if before.get(what) != made_of.get(what)]
    if changed and not recompute:
        raise OpticalError(
            f"{folder.cell(cell)} was made with other {' and '.join(changed)}. Give --recompute to make such cells "
            "again, or choose another output."
        )
    return not changed


def _has_failed(cell: Cell, folder: StudyFolder) -> bool:
    result = _recorded(cell, folder)
    return result is not None and "error" in result


def _recorded(cell: Cell, folder: StudyFolder) -> dict[str, Any] | None:
    file = folder.cell(cell)
    if not file.exists():
        return None
    try:
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        dict(result["identity"])
    except (ValueError, TypeError, KeyError) as error:
        raise OpticalError(f"{file} is no result of a cell. Remove it, and run the study again.") from error
    return result


def _has_runs(cell: Cell, folder: StudyFolder, study: Study) -> bool:
    return all(folder.run(cell, test).is_file() for test in study.tests_of(cell.language))


class _Runner:
    """Keeps ``workers`` processes busy with cells whose parts are done."""

    def __init__(
        self,
        config: str | Path,
        folder: StudyFolder,
        study: Study,
        identities: dict[Cell, dict[str, str]],
        workers: int,
        until: float | None,
        report: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._study = study
        self._identities = identities
        threads = max(1, (os.cpu_count() or 1) // workers)
        self._workers = [CellWorker(config, folder, study.teacher, threads) for _ in range(workers)]
        # The last one first, whose process is there already.
        self._idle: queue.LifoQueue[CellWorker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._until = until
        self._report = report
        self._stopped = threading.Event()
        self.progress = Progress()

    def run(self, waiting: list[Cell]) -> Progress:
        parts = {cell: parts_of(cell, self._study) for cell in self._identities}
        # In the order of the systems, of which each is declared after its parts.
        combined = [cell for cell in parts if parts[cell] and cell in waiting]
        # What failed would fail again first in every slice of a study, and leave no time for the others. Of what is
        # made and only lacks its runs nobody knows whether it failed.
        single = sorted(
            (cell for cell in waiting if not parts[cell]),
            key=lambda cell: _has_failed(cell, self._folder) or self._is_made(cell),
        )
        self.progress.done = len(self._identities) - len(waiting)
        try:
            with ThreadPoolExecutor(len(self._workers)) as pool:
                try:
                    list(pool.map(self._make, single))
                except BaseException:
                    self._stopped.set()
                    raise
            # They take next to no time, and one may be part of the next.
            for cell in combined:
                lacking = [part.name for part in parts[cell] if not self._can_be_combined(part)]
                if lacking and not self._out_of_time():
                    self._fail(cell, f"{' and '.join(lacking)} is not there to be combined")
                else:
                    self._make(cell)
        finally:
            for worker in self._workers:
                worker.close()
        return self.progress

    def _is_made(self, cell: Cell) -> bool:
        return _is_done(cell, self._folder, self._identities[cell], recompute=True)

    def _can_be_combined(self, cell: Cell) -> bool:
        return self._is_made(cell) and _has_runs(cell, self._folder, self._study)

    def _make(self, cell: Cell) -> None:
        if self._out_of_time():
            self.progress.left += 1
            return
        started = time.monotonic()
        worker = self._idle.get()
        try:
            error = worker.make(cell, self._identities[cell], self._out_of_time)
        except StoppedError:
            self.progress.left += 1
            return
        except BaseException:
            self._stopped.set()
            raise
        finally:
            self._idle.put(worker)
        if error is not None:
            self._fail(cell, error)
            return
        self.progress.done += 1
        self._report(f"{cell.name}: done in {time.monotonic() - started:.0f} s ({self.progress.done} done)")

    def _fail(self, cell: Cell, error: str) -> None:
        # One that was only to have its runs made again keeps its result.
        if not self._is_made(cell):
            write_cell(self._folder.cell(cell), cell, self._identities[cell], {"error": error})
        self.progress.failed.append(cell.name)
        self._report(f"{cell.name}: failed ({error}); see {self._folder.log(cell)}")

    def _out_of_time(self) -> bool:
        return self._stopped.is_set() or (self._until is not None and time.monotonic() > self._until)


def _write_plan(folder: StudyFolder, cells: dict[Cell, dict[str, str]], prepared: Prepared) -> None:
    bitext = {
        f"{language}, {amount}": {"pairs": made.pairs, "left out": made.dropped}
        for (language, amount), made in prepared.bitext.items()
    }
    plan: dict[str, object] = {"bitext": bitext}
    if prepared.judged:
        plan["judged queries"] = {
            f"{name}, {language}": {"queries": made.queries, "left out": made.dropped}
            for (name, language), made in prepared.judged.items()
        }
    plan["cells"] = {cell.name: made_of for cell, made_of in cells.items()}
    with replace_file(folder.plan) as temporary:
        temporary.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def _left_out(dropped: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
    return f" (left out: {counts})" if counts else ""
