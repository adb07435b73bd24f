"""The results of a study: cells as they lie in its folder, found again by test, system and amount of bitext."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optical.errors import OpticalError

MEASURE = "MRR@10"
"""The measure that decides: the one whose values of every query a cell keeps."""

SHOWN_MEASURES = (MEASURE, "nDCG@10", "R@10", "R@100")
"""The measures that every test of a cell must have."""


@dataclass(frozen=True)
class TestResult:
    """What a system reached on one test.

    Attributes:
        queries: number of judged queries.
        passages: number of passages searched.
        questions: digest of the judged queries' ids in their order: two tests that share it ask the same.
        judgements: digest of questions, passages and judgements.
        run: digest of the run file.
        figures: measure -> mean over the queries.
        per_query: :data:`MEASURE` of each judged query, in the order that all cells of the test share.
    """

    __test__ = False  # its name looks to pytest like that of a class of tests

    queries: int
    passages: int
    questions: str
    judgements: str
    run: str
    figures: dict[str, float]
    per_query: list[float]


@dataclass(frozen=True)
class CellResult:
    """One cell: a system made of some bitext with some seed, and what it reached, or the error it ended in.

    Attributes:
        language: code.
        system: name.
        amount: sentence pairs, or "all"; None for a system that reads no bitext.
        seed: None for a system that has nothing random.
        seconds: from start to end, searching included; None if it failed.
        versions: package -> version.
        machine: in words.
        made: what making the system recorded.
        tests: results by name of the test; empty if the cell failed.
        error: why it failed; None if it did not.
    """

    language: str
    system: str
    amount: int | str | None
    seed: int | None
    seconds: float | None
    versions: dict[str, str]
    machine: str
    made: dict[str, Any]
    tests: dict[str, TestResult]
    error: str | None = None

    @property
    def name(self) -> str:
        """The cell in words."""
        amount = None if self.amount is None else f"{self.amount} pairs"
        seed = None if self.seed is None else f"seed {self.seed}"
        return ", ".join(part for part in (self.language, self.system, amount, seed) if part is not None)


class Results:
    """The cells of a study.

    Args:
        cells: those that belong to it.
        others: names of cells that lie beside them and do not.

    Raises:
        OpticalError: a cell is there twice, or cells disagree on what a test is, so that their queries do not pair.
    """

    def __init__(self, cells: Sequence[CellResult], others: Sequence[str] = ()) -> None:
        self.others = list(others)
        self.cells = sorted(cells, key=_order)
        for former, latter in zip(self.cells, self.cells[1:], strict=False):
            if _order(former) == _order(latter):
                raise OpticalError(f"The cell {former.name} is there twice. Remove one of its files.")
        self.done = [cell for cell in self.cells if cell.error is None]
        self.failed = [cell for cell in self.cells if cell.error is not None]
        self._first: dict[str, CellResult] = {}
        for cell in self.done:
            for test, result in cell.tests.items():
                first = self._first.setdefault(test, cell)
                _require_same_test(test, first, cell, result)

    @property
    def tests(self) -> list[str]:
        """Names of the tests that some cell has, sorted."""
        return sorted(self._first)

    @property
    def amounts(self) -> list[int | str]:
        """Amounts of bitext that some finished cell was made of, rising, "all" last."""
        return _rising(self.done)

    @property
    def largest_amount(self) -> int | str | None:
        """The last of :attr:`amounts`; None if no system reads bitext."""
        return self.amounts[-1] if self.amounts else None

    def amounts_of(self, test: str) -> list[int | str]:
        """Return those of :attr:`amounts` that a cell with this test was made of."""
        return _rising([cell for cell in self.done if test in cell.tests])

    def test(self, name: str) -> TestResult:
        """Return a result of a test, for what all its results share."""
        return self._first[name].tests[name]

    def language(self, test: str) -> str:
        """Return the language of a test's queries."""
        return self._first[test].language

    def reads_bitext(self, system: str) -> bool:
        """Return whether a system has finished cells that were made of bitext."""
        return any(cell.system == system and cell.amount is not None for cell in self.done)

    def seeds(self, test: str, system: str, amount: int | str | None) -> list[TestResult]:
        """Return the results of a system on a test, one for each seed; a cell without amount is of every amount."""
        return list(self.by_seed(test, system, amount).values())

    def by_seed(self, test: str, system: str, amount: int | str | None) -> dict[int | None, TestResult]:
        """Return the results of a system on a test by their seed; None is that of a system with nothing random."""
        return {
            cell.seed: cell.tests[test]
            for cell in self.done
            if cell.system == system and cell.amount in (None, amount) and test in cell.tests
        }

    def per_query(self, test: str, system: str, amount: int | str | None) -> NDArray[np.float64]:
        """Return :data:`MEASURE` of each query averaged over seeds; empty if there is no such cell."""
        seeds = [result.per_query for result in self.seeds(test, system, amount)]
        return np.mean(seeds, axis=0) if seeds else np.empty(0)

    def pairs(self, language: str, amount: int | str) -> int | None:
        """Return the number of sentence pairs of an amount, for "all" from what training recorded, if it did."""
        if not isinstance(amount, str):
            return amount
        for cell in self.done:
            bitext = cell.made.get("bitext")
            if cell.language == language and cell.amount == amount and isinstance(bitext, dict):
                pairs = bitext.get("pairs")
                if isinstance(pairs, int):
                    return pairs
        return None


def read_results(folder: Path, plan: Mapping[str, Mapping[str, str]] | None = None) -> Results:
    """Read the ``*.json`` files of ``folder``.

    Args:
        folder: of the cells.
        plan: identity of each cell by its name. Cells that are not in it, or have another identity, were made of
            another configuration, code or data: they are left to :attr:`Results.others`. None = all cells are read.

    Raises:
        OpticalError: there is none; one is no JSON, lacks a field or has one of the wrong type; or as
            :class:`Results`.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise OpticalError(f"{folder} has no results. Run the study first, or check the path.")
    cells, others = [], []
    for file in files:
        cell, identity = _read_cell(file)
        if plan is None or plan.get(file.stem) == identity:
            cells.append(cell)
        else:
            others.append(file.stem)
    return Results(cells, others)


def _read_cell(file: Path) -> tuple[CellResult, dict[str, str]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OpticalError(
            f"{file} cannot be read as JSON ({error}). Remove it and run the study again."
        ) from error
    try:
        return _cell(content), _value(content, "identity", dict)
    except ValueError as error:
        raise OpticalError(f"{file}: {error}. Remove it and run the study again.") from error


def _cell(content: Any) -> CellResult:
    amount, seed = _value(content, "amount", int, str, None), _value(content, "seed", int, None)
    shared = {
        "language": _value(content, "language", str),
        "system": _value(content, "system", str),
        "amount": amount,
        "seed": seed,
        "versions": _value(content, "versions", dict),
        "machine": _value(content, "machine", str),
    }
    if isinstance(amount, str) and amount != "all":
        raise ValueError(f'amount is {amount!r}, neither a number nor "all"')
    if "error" in content:
        return CellResult(**shared, seconds=None, made={}, tests={}, error=_value(content, "error", str))
    return CellResult(
        **shared,
        seconds=_value(content, "seconds", float, int),
        made=_value(content, "made", dict),
        tests={name: _test(name, result) for name, result in _value(content, "tests", dict).items()},
    )


def _test(name: str, content: Any) -> TestResult:
    try:
        result = TestResult(
            queries=_value(content, "queries", int),
            passages=_value(content, "passages", int),
            questions=_value(content, "questions", str),
            judgements=_value(content, "judgements", str),
            run=_value(content, "run", str),
            figures=_value(content, "figures", dict),
            per_query=_value(content, "per_query", list),
        )
        for measure in SHOWN_MEASURES:
            _value(result.figures, measure, float, int)
        for value in [*result.figures.values(), *result.per_query]:
            if not isinstance(value, float | int) or not math.isfinite(value):
                raise ValueError(f"has {value!r} for a figure")
    except ValueError as error:
        raise ValueError(f"test {name}: {error}") from error
    if len(result.per_query) != result.queries or not result.queries:
        raise ValueError(f"test {name}: {len(result.per_query)} values of {result.queries} queries")
    return result


def _value(content: Any, name: str, *kinds: type | None) -> Any:
    if not isinstance(content, dict):
        raise ValueError(f"{content!r} is no table")
    if name not in content:
        raise ValueError(f"{name} is missing")
    value = content[name]
    fits = (value is None and None in kinds) or any(
        kind is not None and type(value) is kind for kind in kinds
    )
    if not fits:
        raise ValueError(f"{name} is {value!r}, which is of the wrong type")
    return value


def _require_same_test(test: str, first: CellResult, cell: CellResult, result: TestResult) -> None:
    expected = first.tests[test]
    if (result.judgements, result.queries, result.passages, cell.language) != (
        expected.judgements,
        expected.queries,
        expected.passages,
        first.language,
    ):
        raise OpticalError(
            f"The cells {first.name} and {cell.name} were measured on different questions, passages or judgements of "
            f"{test}, so they cannot be compared. Make one of them again."
        )


def _rising(cells: Sequence[CellResult]) -> list[int | str]:
    return sorted({cell.amount for cell in cells if cell.amount is not None}, key=_amount_order)


def _amount_order(amount: int | str) -> float:
    return math.inf if isinstance(amount, str) else amount


def _order(cell: CellResult) -> tuple[str, str, float, int]:
    amount = -1 if cell.amount is None else _amount_order(cell.amount)
    return (cell.language, cell.system, amount, -1 if cell.seed is None else cell.seed)
