"""The pictures of a study: what each system reaches, and how that grows with the amount of bitext."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from optical.errors import OpticalError
from optical.files import replace_file
from optical.study.effects import bootstrap_interval
from optical.study.results import MEASURE, Results
from optical.study.tables import amount_in_words, mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# From Okabe and Ito, Color Universal Design, 2008, without yellow, hardly seen on white. Black is the ceiling's.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#808080")
_LINES = ("-", "--", "-.", ":")
_MARKERS = "osD^vPX<>*hp"
_CEILING = "black"
_MOST_COLUMNS = 3
# In inches.
_BAR_PANEL_WIDTH, _BAR_HEIGHT, _PANEL_EXTRA = 3.0, 0.24, 0.75
_LINE_PANEL = (3.6, 3.0)
_LETTER = 0.075
_DOTS_PER_INCH = 150


def write_plots(
    folder: Path,
    results: Results,
    *,
    tests: Sequence[str],
    order: Sequence[str],
    ceiling: str | None,
) -> list[str]:
    """Write ``systems`` and, if there are several amounts of bitext, ``amounts`` into ``folder``, as PNG and SVG.

    The same results make the same files.

    Returns:
        The names of the pictures.

    Raises:
        OpticalError: matplotlib is not installed.
    """
    with _style():
        figures = {"systems": bars(results, tests=tests, order=order, ceiling=ceiling)}
        if len(results.amounts) > 1:
            figures["amounts"] = lines(results, tests=tests, order=order, ceiling=ceiling)
        for name, figure in figures.items():
            for form in ("png", "svg"):
                # Without a date; a PNG has none, and no metadata of that name.
                metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
                with replace_file(folder / f"{name}.{form}") as temporary:
                    figure.savefig(temporary, format=form, dpi=_DOTS_PER_INCH, metadata=metadata)
    return list(figures)


def bars(results: Results, *, tests: Sequence[str], order: Sequence[str], ceiling: str | None) -> "Figure":
    """Draw a panel for each test, with a bar for each system at the largest amount of bitext.

    Whiskers are 95 % bootstrap intervals over queries of the values averaged over seeds; the ceiling is a dashed line.

    Raises:
        OpticalError: matplotlib is not installed.
    """
    require_matplotlib()
    amount = results.largest_amount
    systems = [system for system in order if system != ceiling and _has(results, tests, system)]
    columns, rows = _grid(len(tests))
    height = _BAR_HEIGHT * (len(systems) + 1) + _PANEL_EXTRA
    names = _LETTER * max(map(len, systems), default=0)
    figure, panels = _panels(names + _BAR_PANEL_WIDTH * columns, height * rows + 0.4, len(tests), sharey=True)
    for position, (test, axes) in enumerate(zip(tests, panels, strict=True)):
        for place, system in enumerate(systems):
            values = results.per_query(test, system, amount)
            if len(values):
                low, high = bootstrap_interval([values])
                average = float(values.mean())
                # Percentiles of a skewed sample may leave its mean outside.
                whiskers = [[max(0.0, average - low)], [max(0.0, high - average)]]
                style: dict[str, Any] = {"ecolor": "0.25", "capsize": 2, "error_kw": {"elinewidth": 1}}
                axes.barh(place, average, xerr=whiskers, color=_COLOURS[0], height=0.75, **style)
        _mark_ceiling(axes.axvline, results, test, ceiling)
        axes.set_title(test, fontsize=9)
        axes.set_xlim(left=0)
        axes.grid(axis="x", color="0.9")
        if position >= len(tests) - columns:
            axes.set_xlabel(MEASURE)
    panels[0].set_yticks(range(len(systems)), labels=systems)
    panels[0].set_ylim(len(systems) - 0.4, -0.6)
    _legend(figure, panels, "outside lower center")
    return figure


def lines(results: Results, *, tests: Sequence[str], order: Sequence[str], ceiling: str | None) -> "Figure":
    """Draw a panel for each test: quality against sentence pairs on a logarithmic axis, a line for each system.

    Bands are one standard deviation over seeds to either side; a system that reads no bitext is a level line. "all" is
    put where its number of pairs belongs or, if no cell recorded that, at twice the largest amount.

    Raises:
        OpticalError: matplotlib is not installed.
    """
    require_matplotlib()
    columns, rows = _grid(len(tests))
    systems = [system for system in order if system != ceiling and _has(results, tests, system)]
    legend = _LETTER * max(map(len, order), default=0) + 0.7
    size = (_LINE_PANEL[0] * columns + legend, _LINE_PANEL[1] * rows)
    figure, panels = _panels(*size, len(tests))
    for position, (test, axes) in enumerate(zip(tests, panels, strict=True)):
        places = _places(results, test)
        axes.set_xscale("log")
        for number, system in enumerate(systems):
            seeds = {
                amount: [result.figures[MEASURE] for result in results.seeds(test, system, amount)]
                for amount in places
            }
            there = {amount: values for amount, values in seeds.items() if values}
            at = [places[amount] for amount in there]
            means = [fmean(values) for values in there.values()]
            spread = [stdev(values) if len(values) > 1 else 0.0 for values in there.values()]
            colour = _COLOURS[number % len(_COLOURS)]
            style: dict[str, Any] = {
                "linestyle": _LINES[number // len(_COLOURS) % len(_LINES)],
                "marker": _MARKERS[number % len(_MARKERS)],
            }
            axes.plot(at, means, color=colour, label=system, markersize=4, linewidth=1.4, **style)
            if any(spread):
                low, high = zip(
                    *((value - by, value + by) for value, by in zip(means, spread, strict=True)), strict=True
                )
                axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
        _mark_ceiling(axes.axhline, results, test, ceiling)
        labels = [amount_in_words(results, test, amount) for amount in places]
        # "all" may lie close to the amount before it.
        axes.set_xticks(list(places.values()), labels=labels, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xticks([], minor=True)
        axes.set_title(test, fontsize=9)
        axes.grid(color="0.9")
        if position % columns == 0:
            axes.set_ylabel(MEASURE)
        if position >= len(tests) - columns:
            axes.set_xlabel("sentence pairs")
    _legend(figure, panels, "outside right upper")
    return figure


def require_matplotlib() -> None:
    """Raise :class:`OpticalError` with the remedy if matplotlib, an optional dependency, is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise OpticalError(
            "The pictures of a report need matplotlib, which is not installed: pip install 'optical[study]'"
        ) from error


@contextmanager
def _style() -> Iterator[None]:
    require_matplotlib()
    import matplotlib
    import matplotlib.style

    # Not the style of whoever calls; and names of elements in SVG that do not change from one time to the next.
    with matplotlib.style.context("default"), matplotlib.rc_context():
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "optical",
                # The name of a system may hold dollar signs, which are no formula.
                "text.parse_math": False,
                "font.size": 8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
            }
        )
        yield


def _panels(width: float, height: float, count: int, *, sharey: bool = False) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    columns, rows = _grid(count)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=sharey).flatten().tolist()
    for unused in panels[count:]:
        unused.remove()
    return figure, panels[:count]


def _grid(count: int) -> tuple[int, int]:
    columns = min(count, _MOST_COLUMNS)
    return columns, math.ceil(count / columns)


def _legend(figure: "Figure", panels: "Sequence[Axes]", place: Any) -> None:
    # A system may lack cells for some tests, so that no panel has all.
    entries = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if entries:
        figure.legend(list(entries.values()), list(entries), loc=place, frameon=False)


def _mark_ceiling(draw: Any, results: Results, test: str, ceiling: str | None) -> None:
    value = None if ceiling is None else mean(results.seeds(test, ceiling, results.largest_amount), MEASURE)
    if value is not None:
        draw(value, color=_CEILING, linestyle="--", linewidth=1, label=ceiling)


def _places(results: Results, test: str) -> dict[int | str, float]:
    amounts = results.amounts_of(test)
    numbers = [amount for amount in amounts if isinstance(amount, int)]
    language = results.language(test)
    return {
        amount: float(results.pairs(language, amount) or 2 * max(numbers, default=1))
        for amount in results.amounts
    }


def _has(results: Results, tests: Sequence[str], system: str) -> bool:
    return any(results.seeds(test, system, amount) for test in tests for amount in [None, *results.amounts])
