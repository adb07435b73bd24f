"""The cells of a study: which there are, what identifies their results, and making one."""

import ast
import hashlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

import optical
from optical.collections import write_run
from optical.encoders import versions
from optical.errors import OpticalError
from optical.evaluation import per_query
from optical.files import replace_file
from optical.machine import processor
from optical.study.config import Study
from optical.study.preparation import Prepared, bitext_name
from optical.study.results import MEASURE
from optical.study.system_kind import SystemKind
from optical.study.workplace import PreparedTest, Workplace

_DEPTH = 100


@dataclass(frozen=True)
class Cell:
    """One language, system, amount of bitext and seed; the latter two are None if the system depends on neither."""

    language: str
    system: str
    amount: int | str | None
    seed: int | None

    @property
    def name(self) -> str:
        """What its files are called."""
        parts = [self.language, self.system]
        parts += [] if self.amount is None else [str(self.amount)]
        parts += [] if self.seed is None else [f"seed{self.seed}"]
        return "--".join(part.replace(" ", "-") for part in parts)


@dataclass(frozen=True)
class StudyFolder:
    """Where a study keeps what: results to keep, runs, logs, and work that can be made again."""

    folder: Path

    @property
    def work(self) -> Path:
        """Prepared files, caches and unfinished work."""
        return self.folder / "work"

    @property
    def plan(self) -> Path:
        """What the study is to be: the identity of each cell by its name, and what bitext there is."""
        return self.folder / "plan.json"

    def cell(self, cell: Cell) -> Path:
        """Return the file of a cell's result."""
        return self.folder / "cells" / f"{cell.name}.json"

    def run(self, cell: Cell, test: str) -> Path:
        """Return the file of a cell's run on a test."""
        return self.folder / "runs" / f"{cell.name}--{test}.run"

    def log(self, cell: Cell) -> Path:
        """Return the file of what a cell's process wrote."""
        return self.folder / "logs" / f"{cell.name}.log"


def cells_of(study: Study, prepared: Prepared) -> list[Cell]:
    """Return all cells: seed by seed, so that a study that was stopped has as many whole seeds as possible.

    A system that learns from judged queries has none in a language without such queries, nor has what combines it.
    """
    cells: dict[Cell, None] = {}
    for seed in study.seeds:
        for language in study.languages:
            for amount in study.amounts:
                if (language, amount) in prepared.bitext:
                    for system in study.systems:
                        if _has_judged_queries(system, language, study, prepared):
                            cells[_cell(study, language, system, amount, seed)] = None
    return list(cells)


def _has_judged_queries(system: str, language: str, study: Study, prepared: Prepared) -> bool:
    kind = study.systems[system]
    there = not kind.judged_queries or (kind.judged_queries, language) in prepared.judged
    return there and all(_has_judged_queries(part, language, study, prepared) for part in kind.parts)


def _cell(study: Study, language: str, system: str, amount: int | str | None, seed: int | None) -> Cell:
    kind = study.systems[system]
    return Cell(language, system, amount if kind.reads_bitext else None, seed if kind.seeded else None)


def identity(cell: Cell, study: Study, prepared: Prepared) -> dict[str, str]:
    """Return digests of all that decides a cell's figures, by what it is."""
    kind = study.systems[cell.system]
    made_of: dict[str, Any] = {
        "configuration": _configuration(cell, study),
        "teacher": prepared.teacher,
        "tests": {name: prepared.tests[name].digest for name in study.tests_of(cell.language)},
        "bitext": None if cell.amount is None else prepared.bitext[cell.language, cell.amount].digest,
        "code": _code(kind),
        "parts": [identity(part, study, prepared) for part in parts_of(cell, study)],
    }
    # Only where there are such, so that cells which have none stay as they are known.
    if cell.system in prepared.checkpoints:
        made_of["checkpoint"] = prepared.checkpoints[cell.system]
    if kind.judged_queries:
        made_of["judged queries"] = prepared.judged[kind.judged_queries, cell.language].digest
    return {name: _digest_of(value) for name, value in made_of.items()}


def _configuration(cell: Cell, study: Study) -> Any:
    return [study.systems[cell.system].as_dict(), study.dimension, cell.seed, _DEPTH]


def _code(kind: SystemKind) -> dict[str, str]:
    return {name: code_digest(Path(optical.__file__).parent / name) for name in kind.code}


def parts_of(cell: Cell, study: Study) -> list[Cell]:
    """Return the cells whose runs a cell combines."""
    parts = dict.fromkeys(study.systems[cell.system].parts)
    return [_cell(study, cell.language, part, cell.amount, cell.seed) for part in parts]


def make_cell(cell: Cell, study: Study, folder: StudyFolder, made_of: dict[str, str]) -> None:
    """Make the system of a cell, measure it on the tests of its language, and write runs and result."""
    started = time.monotonic()
    kind = study.systems[cell.system]
    for what, value in (("configuration", _configuration(cell, study)), ("code", _code(kind))):
        if made_of[what] != _digest_of(value):
            raise OpticalError(
                f"The {what} of {cell.name} has changed since the study was started. Start it again."
            )
    tests = {
        name: PreparedTest.load(folder.work / f"test-{name}.json") for name in study.tests_of(cell.language)
    }
    place = Workplace(
        teacher_name=study.teacher,
        dimension=study.dimension,
        language=cell.language,
        cell=f"{cell.name}-{_digest_of(made_of)[:12]}",
        code=made_of["code"],
        seed=cell.seed or 0,
        bitext_file=folder.work / bitext_name(cell.language, "all" if cell.amount is None else cell.amount),
        tests=tests,
        work=folder.work,
        runs={
            (part.system, test): folder.run(part, test) for part in parts_of(cell, study) for test in tests
        },
    )
    made = kind.make(place)
    results = {}
    for name, test in tests.items():
        queries = test.translations if kind.asks_in_english else test.queries
        run = made.search(name).rank(queries, _DEPTH)
        file = folder.run(cell, name)
        write_run(file, run, cell.system.replace(" ", "-"))
        values = per_query(run, test.judgements)
        results[name] = {
            "queries": len(test.judgements),
            "passages": len(place.passages(name)),
            "questions": _digest_of(list(test.judgements)),
            "judgements": test.digest,
            "run": hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest(),
            "figures": {measure: round(fmean(each.values()), 6) for measure, each in values.items()},
            "per_query": [round(value, 6) for value in values[MEASURE].values()],
        }
    write_cell(
        folder.cell(cell),
        cell,
        made_of,
        {"seconds": round(time.monotonic() - started, 1), "made": made.record, "tests": results},
    )
    made.tidy()


def write_cell(file: Path, cell: Cell, made_of: dict[str, str], content: dict[str, Any]) -> None:
    """Write the result of a cell, or the ``error`` that it ended in."""
    result = {
        **asdict(cell),
        "identity": made_of,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": _machine(),
        **content,
    }
    with replace_file(file) as temporary:
        temporary.write_text(json.dumps(result, ensure_ascii=False) + "\n", encoding="utf-8")


def _machine() -> str:
    accelerators = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    return ", ".join([*accelerators, processor(), f"{threads} thread(s)"])


@cache
def code_digest(path: Path) -> str:
    """Name what the Python code in a file or folder does: its syntax trees, without comments and docstrings."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return _digest("".join(_without_docstrings(file) for file in files))


def _without_docstrings(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
        # Of Python 3.12 and later: deleted, so that a study may go on under another version.
        if vars(node).get("type_params") == []:
            del vars(node)["type_params"]
    # Python 3.13 leaves out fields that are empty unless it is told not to.
    options: dict[str, Any] = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return f"{file.name}\n{ast.dump(tree, **options)}\n"


def _digest_of(value: Any) -> str:
    return _digest(json.dumps(value, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
