"""Write study/report.md and findings.md: the text of their templates with figures from the reports of the studies.

    python study/write_report.py

The text asks for each figure where it stands, and says of a difference which verdict it relies on: where a study comes
out otherwise, this fails, and the text is to be written anew.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

STUDY = Path(__file__).parent
PAGES = (STUDY / "report.md", STUDY / "findings.md")
ENCODER = STUDY / "results" / "pretrained" / "pretraining.json"
ACCENTS = STUDY.parent / "benchmarks" / "results" / "accents.json"
HEADING = re.compile(r"^#+ (.*)$")


class Study:
    """What ``results/NAME`` holds, none of its cells missing: figures of its report, as text.

    What it does not have raises an error.
    """

    def __init__(self, name: str) -> None:
        self._folder = STUDY / "results" / name
        text = (self._folder / "report.md").read_text(encoding="utf-8")
        self._rows = _rows(text)
        if not re.search(r"^- (\S+) of \1 cells done, 0 failed, 0 missing", text, re.MULTILINE):
            raise ValueError(f"{self._folder} lacks cells")

    def test(self, test: str, column: str) -> str:
        """What the table of tests says of one: "queries" or "passages"."""
        return self._row("passages", lambda row: row["test"] == test)[column]

    def mrr(self, system: str, test: str | None = None) -> str:
        """MRR@10 with the most pairs: on a test, or the mean over all that count."""
        row = self._row("mean of", lambda row: row[""] == system)
        return _mean(row[test or _column(row, "mean of")])

    def by_amount(self, system: str, test: str, pairs: str) -> str:
        """MRR@10 on a test by sentence pairs: "1,000", or "all"."""
        row = self._row(pairs, lambda row: row[""] == system, f"{test}, by amount")
        return _mean(row[_column(row, pairs)])

    def trained(self, column: str, system: str, language: str) -> str:
        """What the table of training has in a column."""
        return self._row("best step", lambda row: (row[""], row["language"]) == (system, language))[column]

    def rejected(self, system: str, pairs: int | str = 5000) -> str:
        """How many trainings were no better than none on held-back pairs, so that the untrained student was kept."""
        steps = [made["best_step"] for made in self._made(system=system, amount=pairs)]
        return f"{steps.count(0)} of {len(steps)}"

    def training_pairs(self, system: str, language: str) -> str:
        """How many sentence pairs a student was trained on, the first seed's."""
        return f"{self._made(system=system, language=language)[0]['training_pairs']:,}"

    def effect(
        self,
        first: str,
        second: str,
        verdict: str | None = None,
        *,
        test: str = "all",
        pairs: str | None = None,
        passages: str | None = None,
    ) -> dict[str, str]:
        """By how much the first of two systems finds more, over all tests, on one, or on those with so many passages.

        The study may compare them either way round. Keys: difference, p (with Holm's correction, after "=" or "<") and
        verdict. The text may rely on a verdict.

        Args:
            first: system.
            second: system.
            verdict: of the first against the second: "better", "worse" or "not told apart".
            test: name of a test, "all" for the mean of those that count.
            pairs: fewer sentence pairs than the most: "1,000".
            passages: how many passages the tests have in common: "2,067".
        """
        if (test != "all") + (pairs is not None) + (passages is not None) > 1:
            raise ValueError(f"{self._folder}: a difference is on a test, with fewer pairs, or of passages")
        column, pattern = "tests", rf"{re.escape(test)}( \d+)?"
        if passages is not None:
            pattern = rf"\d+ with {passages} passages"
        if pairs is not None:
            column, pattern = "pairs; tests", rf"{pairs}; \d+"
        row = self._row(
            column,
            lambda row: (
                row[""] in (f"{first} against {second}", f"{second} against {first}")
                and re.fullmatch(pattern, row.get(column, "")) is not None
            ),
        )
        difference, found = row["MRR@10 difference"], row["verdict"]
        if row[""] == f"{second} against {first}":
            difference = difference.translate(str.maketrans("+-", "-+"))
            found = {"better": "worse", "worse": "better"}.get(found, found)
        if verdict not in (None, found):
            raise ValueError(
                f"{self._folder}: {first} against {second}, {row[column]}: {found}, not {verdict}"
            )
        p = row["p (Holm)"]
        return {
            "difference": difference,
            "p": p.replace("<", "< ") if p.startswith("<") else f"= {p}",
            "verdict": found,
        }

    def _made(self, **wanted: object) -> list[dict[str, Any]]:
        """What cells recorded of how they were made, seed by seed."""
        plan = json.loads((self._folder / "plan.json").read_text(encoding="utf-8"))
        files = [self._folder / "cells" / f"{name}.json" for name in sorted(plan["cells"])]
        cells = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        found = [cell["made"] for cell in cells if all(cell[name] == value for name, value in wanted.items())]
        if not found:
            raise ValueError(f"{self._folder}: no cell with {wanted}")
        return found

    def _row(
        self, column: str, wanted: Callable[[dict[str, str]], bool], heading: str | None = None
    ) -> dict[str, str]:
        found = [
            row
            for above, row in self._rows
            if heading in (None, above) and _column(row, column) is not None and wanted(row)
        ]
        if len(found) != 1:
            raise ValueError(f"{self._folder}: {len(found)} rows with a column {column!r} are wanted, not 1")
        return found[0]


def _rows(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the rows of every table of a page, each with the heading above it."""
    above, header, found = "", None, []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else None
        if cells is None:
            header = None
            if heading := HEADING.match(line):
                above = heading[1]
        elif header is None:
            header = cells
        elif not cells[0].startswith("---"):
            found.append((above, dict(zip(header, cells, strict=True))))
    return found


def _column(row: dict[str, str], beginning: str) -> str | None:
    return next((name for name in row if name.startswith(beginning)), None)


def _mean(cell: str) -> str:
    return cell.strip("*").split(" ± ")[0]


def told(effect: dict[str, str]) -> str:
    """Say a difference and how sure it is."""
    return f"{effect['difference']}, p {effect['p']}"


def written(page: Path) -> str:
    """Return a page as the results have it now."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    rows = json.loads(ACCENTS.read_text(encoding="utf-8"))["rows"]
    confused = {row["language"]: f"{100 * row['confused']:.0f} %" for row in rows}
    template = page.with_name(f"{page.name}.jinja").read_text(encoding="utf-8")
    encoder = json.loads(ENCODER.read_text(encoding="utf-8"))
    return environment.from_string(template).render(
        study=Study, told=told, confused=confused, encoder=encoder
    )


if __name__ == "__main__":
    texts = {page: written(page) for page in PAGES}
    for page, text in texts.items():
        page.write_text(text, encoding="utf-8")
