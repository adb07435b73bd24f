"""The tables of a study's report, as Markdown."""

import re
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, stdev
from typing import Any

from optical.study.effects import Effect
from optical.study.results import MEASURE, SHOWN_MEASURES, CellResult, Results, TestResult

NOTHING = "-"
_LEAST_P = 1e-4


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    return "\n".join([_row(header), "|---" + "|--:" * (len(header) - 1) + "|", *map(_row, rows)])


def plain(name: str) -> str:
    """Return a name with the characters escaped that Markdown would take for markup, or for the end of a cell."""
    return re.sub(r"([\\`*|<\[])", r"\\\1", name)


def mean_and_deviation(values: Sequence[float]) -> str:
    """Return the mean, with the sample standard deviation if there are several values."""
    if not values:
        return NOTHING
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def p_value(value: float) -> str:
    """Return a p-value to two digits, or that it is below 0.0001."""
    return f"<{_LEAST_P:.4f}" if value < _LEAST_P else f"{value:.2g}"


def interval(bounds: tuple[float, float]) -> str:
    """Return an interval of differences."""
    return f"[{bounds[0]:+.3f}, {bounds[1]:+.3f}]"


def tests_table(results: Results, main_tests: Sequence[str]) -> str:
    """Return what each test consists of."""
    rows = [
        [
            plain(test),
            results.language(test),
            f"{results.test(test).queries:,}",
            f"{results.test(test).passages:,}",
            "yes" if test in main_tests else "no",
        ]
        for test in ordered_tests(results, main_tests)
    ]
    return markdown_table(["test", "language", "queries", "passages", "counts for the answer"], rows)


def main_table(
    results: Results,
    amount: int | str | None,
    order: Sequence[str],
    main_tests: Sequence[str],
    ceiling: str | None,
) -> str:
    """Return a row for each system, a column for each test, and the mean of the main tests if all are there.

    The best in each column is bold; the ceiling takes no part in that.
    """
    tests = ordered_tests(results, main_tests)
    means = {
        system: [mean(results.seeds(test, system, amount), MEASURE) for test in tests] for system in order
    }
    for system, of_tests in means.items():
        of_main = [value for test, value in zip(tests, of_tests, strict=True) if test in main_tests]
        complete = [value for value in of_main if value is not None]
        means[system] = [
            *of_tests,
            fmean(complete) if len(complete) == len(main_tests) and complete else None,
        ]
    # What reads the same is equally good.
    shown = {
        system: [None if value is None else f"{value:.3f}" for value in row] for system, row in means.items()
    }
    best = [
        max((row[column] or "" for system, row in shown.items() if system != ceiling), default="")
        for column in range(len(tests) + 1)
    ]
    rows = []
    for system in order:
        cells = [mean_and_deviation(_values(results.seeds(test, system, amount), MEASURE)) for test in tests]
        cells.append(shown[system][-1] or NOTHING)
        bold = [
            system != ceiling and value is not None and value == top
            for value, top in zip(shown[system], best, strict=True)
        ]
        rows.append(
            [
                plain(system),
                *(f"**{cell}**" if strong else cell for cell, strong in zip(cells, bold, strict=True)),
            ]
        )
    return markdown_table(["", *map(plain, tests), f"mean of {len(main_tests)}"], rows)


def shares_table(
    results: Results,
    amount: int | str | None,
    order: Sequence[str],
    main_tests: Sequence[str],
    ceiling: str,
) -> str:
    """Return how much of the ceiling each system reaches, averaged over the tests that have cells of both."""
    rows = []
    for system in order:
        shares = []
        for test in main_tests:
            value = mean(results.seeds(test, system, amount), MEASURE) if test in results.tests else None
            most = mean(results.seeds(test, ceiling, amount), MEASURE) if test in results.tests else None
            # Of a ceiling of 0 nothing is a share.
            if value is not None and most:
                shares.append(value / most)
        rows.append([plain(system), f"{fmean(shares):.1%}" if shares else NOTHING, f"{len(shares)}"])
    return markdown_table(["", f"share of {plain(ceiling)}", "tests"], rows)


def details_table(results: Results, test: str, amount: int | str | None, order: Sequence[str]) -> str:
    """Return all measures of one test, a row for each system."""
    rows = []
    for system in order:
        seeds = results.seeds(test, system, amount)
        cells = [mean_and_deviation(_values(seeds, measure)) for measure in SHOWN_MEASURES]
        rows.append([plain(system), f"{len(seeds)}", *cells])
    return markdown_table(["", "seeds", *SHOWN_MEASURES], rows)


def effects_table(effects: Sequence[Effect], heading: str, measured_on: Callable[[Effect], str]) -> str:
    """Return a row for each effect; the column ``heading`` says what it is measured on.

    Where there are several seeds, a column has the difference with each.
    """
    several = any(map(each_seed, effects))
    rows = [
        [
            f"{plain(effect.first)} against {plain(effect.second)}",
            measured_on(effect),
            " / ".join(map(str, effect.seeds)),
            f"{effect.difference:+.3f}",
            *([each_seed(effect) or NOTHING] if several else []),
            interval(effect.interval),
            p_value(effect.p_value),
            p_value(effect.adjusted_p_value),
            effect.verdict,
        ]
        for effect in effects
    ]
    each = ["seed by seed"] if several else []
    header = [
        "",
        heading,
        "seeds",
        f"{MEASURE} difference",
        *each,
        "95 % interval",
        "p",
        "p (Holm)",
        "verdict",
    ]
    return markdown_table(header, rows)


def each_seed(effect: Effect) -> str:
    """Return the difference with each seed; nothing where there is only one."""
    return ", ".join(f"{difference:+.3f}" for difference in effect.by_seed) if len(effect.by_seed) > 1 else ""


def amounts_table(results: Results, test: str, order: Sequence[str]) -> str:
    """Return a row for each system, a column for each amount of bitext."""
    amounts = results.amounts_of(test)
    rows = [
        [
            plain(system),
            *(
                mean_and_deviation(_values(results.seeds(test, system, amount), MEASURE))
                for amount in amounts
            ),
        ]
        for system in order
    ]
    return markdown_table(["", *(amount_in_words(results, test, amount) for amount in amounts)], rows)


def amount_in_words(results: Results, test: str, amount: int | str) -> str:
    """Return an amount, with the number of pairs behind "all" if it is known."""
    pairs = results.pairs(results.language(test), amount)
    if not isinstance(amount, str):
        return f"{amount:,}"
    return amount if pairs is None else f"{amount} ({pairs:,})"


def training_table(results: Results, amount: int | str | None, order: Sequence[str]) -> str | None:
    """Return means over seeds of what training recorded; None if nothing was trained."""
    rows = []
    for system in order:
        for language in sorted({cell.language for cell in results.done}):
            cells = [
                cell
                for cell in results.done
                if (cell.system, cell.language, cell.amount) == (system, language, amount)
                and _was_trained(cell)
            ]
            if cells:
                means = {
                    title: _mean_of(cells, look_up, digits) for title, (look_up, digits) in _RECORDED.items()
                }
                rows.append({"": plain(system), "language": language, "seeds": f"{len(cells)}", **means})
    if not rows:
        return None
    columns = [title for title in rows[0] if any(row[title] != NOTHING for row in rows)]
    return markdown_table(columns, [[row[title] for title in columns] for row in rows])


def mean(results: Sequence[TestResult], measure: str) -> float | None:
    """Return the mean of a measure over seeds; None if there is none."""
    values = _values(results, measure)
    return fmean(values) if values else None


def ordered_tests(results: Results, main_tests: Sequence[str]) -> list[str]:
    """Return the tests that have results: main ones as given, then the others by name."""
    there = results.tests
    return [test for test in main_tests if test in there] + [test for test in there if test not in main_tests]


def _was_trained(cell: CellResult) -> bool:
    return any(
        _number(look_up(cell)) is not None for name, (look_up, _) in _RECORDED.items() if name in _OF_TRAINING
    )


def _mean_of(cells: Sequence[CellResult], look_up: Callable[[CellResult], Any], digits: int) -> str:
    values = [value for value in (_number(look_up(cell)) for cell in cells) if value is not None]
    return f"{fmean(values):,.{digits}f}" if values else NOTHING


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _recorded(cell: CellResult, *path: str) -> Any:
    value: Any = cell.made
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _discriminator_accuracy(cell: CellResult) -> Any:
    figures = _recorded(cell, "objective")
    # In a weighted sum of objectives, the name of the term comes before that of the figure.
    named = figures.items() if isinstance(figures, dict) else ()
    return next((value for name, value in named if name.endswith("discriminator_accuracy")), None)


_RECORDED: dict[str, tuple[Callable[[CellResult], Any], int]] = {
    "training, s": (lambda cell: _recorded(cell, "seconds"), 0),
    "whole cell, s": (lambda cell: cell.seconds, 0),
    "best step": (lambda cell: _recorded(cell, "best_step"), 0),
    "teacher overlap before": (lambda cell: _recorded(cell, "development_before", "teacher_overlap"), 3),
    "teacher overlap after": (lambda cell: _recorded(cell, "development_after", "teacher_overlap"), 3),
    "translation MRR before": (lambda cell: _recorded(cell, "development_before", "translation_mrr"), 3),
    "translation MRR after": (lambda cell: _recorded(cell, "development_after", "translation_mrr"), 3),
    "language probe before": (lambda cell: _recorded(cell, "development_before", "language_probe"), 3),
    "language probe after": (lambda cell: _recorded(cell, "development_after", "language_probe"), 3),
    "discriminator accuracy": (_discriminator_accuracy, 3),
    "chrF": (lambda cell: _recorded(cell, "chrF"), 1),
}
# What only training leaves behind: an untrained student records seconds as well.
_OF_TRAINING = ("best step", "chrF")


def _values(results: Sequence[TestResult], measure: str) -> list[float]:
    return [result.figures[measure] for result in results]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
