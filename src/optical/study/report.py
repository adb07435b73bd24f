"""The report of a study: what its cells say, in words, tables and pictures."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from optical.errors import OpticalError
from optical.files import replace_file
from optical.study.cells import StudyFolder
from optical.study.config import read_study
from optical.study.effects import (
    RESAMPLES,
    SIGNIFICANT,
    Effect,
    Effects,
    effects,
    effects_of_amounts,
)
from optical.study.plots import require_matplotlib, write_plots
from optical.study.results import MEASURE, Results, read_results
from optical.study.tables import (
    amounts_table,
    details_table,
    each_seed,
    effects_table,
    interval,
    main_table,
    ordered_tests,
    p_value,
    plain,
    shares_table,
    tests_table,
    training_table,
)

_CAPTIONS = {
    "systems": f"{MEASURE} of each system with its 95 % bootstrap interval over queries, averaged over seeds",
    "amounts": f"{MEASURE} by sentence pairs; bands are one standard deviation over seeds to either side",
}
_OTHER_TRAININGS = (
    "For other trainings speak the differences seed by seed and the standard deviations above. "
)


def report_study(config: str | Path, output: str | Path) -> Path:
    """Write the report of the study that ``config`` declares and :func:`run_study` has run into ``output``.

    Raises:
        OpticalError: as :func:`read_study` and :func:`write_report`; or nothing has run yet.
    """
    study, folder = read_study(config), StudyFolder(Path(output))
    if not folder.plan.exists():
        raise OpticalError(
            f"{folder.folder} has no study. Run it first: optical study {config} --output {output}"
        )
    return write_report(
        folder.folder,
        title=study.title,
        main_tests={name: test.passages for name, test in study.tests.items() if test.counts},
        comparisons=[(first, second) for first, second in study.comparisons],
        order=list(study.systems),
        ceiling=study.ceiling or None,
        command=f"optical study report {Path(config).name} --output {Path(output).name}",
        plan=_read_plan(folder.plan),
    )


def _read_plan(file: Path) -> dict[str, dict[str, str]]:
    try:
        plan: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError) as error:
        raise OpticalError(f"{file} is no plan of a study. Run the study again.") from error
    return plan


def write_report(
    folder: Path,
    *,
    title: str,
    main_tests: Mapping[str, str],
    comparisons: Sequence[tuple[str, str]],
    order: Sequence[str],
    ceiling: str | None,
    command: str,
    plan: Mapping[str, Mapping[str, str]],
) -> Path:
    """Write ``report.md`` and ``figures/`` into ``folder`` from the results in ``folder/cells``.

    The same cells make the same files.

    Args:
        folder: of the study.
        title: heading.
        main_tests: the tests that count for the answer and its corrections, and what each searches in: differences are
            given over all of them, and over those with the same passages. Others are only shown.
        comparisons: pairs of systems whose difference is tested.
        order: systems to report, in the order of the tables.
        ceiling: the system that others are expressed as a share of; None = none.
        command: what the report is made with.
        plan: identity of each cell that the study has when complete, by the cell's name.

    Returns:
        The path of the report.

    Raises:
        OpticalError: matplotlib is not installed; no cell is finished; or as :func:`read_results`.
    """
    require_matplotlib()
    results = read_results(folder / "cells", plan)
    if not results.tests:
        raise OpticalError(
            f"No cell in {folder / 'cells'} of a declared system was measured on a test. Run the study first."
        )
    main = list(main_tests)
    amount, tests = results.largest_amount, ordered_tests(results, main)
    counting = [test for test in tests if test in main_tests]
    compared = effects(results, amount, comparisons, _collections(counting, main_tests))
    pictures = write_plots(folder / "figures", results, tests=tests, order=order, ceiling=ceiling)
    sections = [
        f"# {plain(title)}",
        f"Made by:\n\n```sh\n{command}\n```",
        "## Cells",
        _cells(results, main, len(plan)),
        tests_table(results, main),
        "## Answer",
        _answer(compared, len(main_tests), results),
        f"## Systems{_at(amount)}",
        f"{MEASURE}: mean ± sample standard deviation over seeds where there are several. The best of a column is bold"
        + (f", {plain(ceiling)} aside." if ceiling else "."),
        main_table(results, amount, order, main, ceiling),
        _picture(pictures, "systems", ceiling),
    ]
    if ceiling:
        sections += [
            f"Share of {plain(ceiling)} in {MEASURE}, averaged over the tests that count:",
            shares_table(results, amount, order, main, ceiling),
        ]
    for test in tests:
        sections += [f"### {plain(test)}", details_table(results, test, amount, order)]
    sections += ["## Significance", *_significance(compared, amount, results)]
    if "amounts" in pictures:
        smaller = effects_of_amounts(results, results.amounts[:-1], comparisons, counting)
        sections += [
            "## Amount of bitext",
            f"{MEASURE} by sentence pairs.",
            _picture(pictures, "amounts", ceiling),
            *_at_smaller_amounts(smaller),
        ]
        for test in tests:
            sections += [f"### {plain(test)}, by amount", amounts_table(results, test, order)]
    training = training_table(results, amount, order)
    if training:
        sections += [f"## Training{_at(amount)}", "Means over seeds.", training]
    path = folder / "report.md"
    with replace_file(path) as temporary:
        temporary.write_text("\n\n".join(section for section in sections if section) + "\n", encoding="utf-8")
    return path


def _cells(results: Results, main_tests: Sequence[str], expected: int) -> str:
    done, failed = len(results.done), len(results.failed)
    missing = max(0, expected - done - failed)
    lines = [f"- {done} of {expected} cells done, {failed} failed, {missing} missing."]
    for cell in results.failed:
        error = (cell.error or "").strip().splitlines() or ["no message"]
        # A backtick would end the code it is set as.
        lines.append(f"- Failed: {plain(cell.name)}: `{error[0].replace('`', chr(39))}`")
    if results.others:
        lines.append(
            "- Left aside, as made of another configuration, code or data than the study is now: "
            f"{', '.join(map(plain, results.others))}."
        )
    unmeasured = [test for test in main_tests if test not in results.tests]
    if unmeasured:
        lines.append(f"- Tests without results: {', '.join(map(plain, unmeasured))}.")
    versions: dict[str, set[str]] = {}
    for cell in results.done:
        for package, version in cell.versions.items():
            versions.setdefault(package, set()).add(version)
    named = (f"{package} {' and '.join(sorted(each))}" for package, each in sorted(versions.items()))
    lines.append(f"- Versions: {', '.join(named)}.")
    machines = Counter(cell.machine for cell in results.done)
    lines.append(
        f"- Machines: {'; '.join(f'{name} ({count} cells)' for name, count in sorted(machines.items()))}."
    )
    hours = sum(cell.seconds or 0 for cell in results.done) / 3600
    lines.append(f"- Computing: {hours:.2f} hours in all.")
    return "\n".join(lines)


def _answer(found: Effects, tests: int, results: Results) -> str:
    lines = []
    for effect in found.of_all:
        lines.append(f"- {_sentence(effect, _all_tests(len(effect.tests), tests))}")
        lines += [
            f"    - {_sentence(part, _of_collection(part, results, ' tests with '))}"
            for part in found.of_collections
            if (part.first, part.second) == (effect.first, effect.second)
        ]
    return "\n".join(lines) or "No comparison has cells of both its systems."


def _all_tests(count: int, tests: int) -> str:
    if tests == 1:
        return "the one test"
    return f"the {tests} tests" if count == tests else f"{count} of the {tests} tests"


def _of_collection(effect: Effect, results: Results, between: str) -> str:
    """Name the tests of a collection by how many passages it has, which two may have in common."""
    return f"{len(effect.tests)}{between}{results.test(effect.tests[0]).passages:,} passages"


def _sentence(effect: Effect, over: str) -> str:
    by_seed = each_seed(effect)
    seeds = f"{effect.seeds[0]} and {effect.seeds[1]}" + (f", one by one {by_seed}" if by_seed else "")
    return (
        f"{plain(effect.first)} against {plain(effect.second)}: {effect.difference:+.3f} {MEASURE} over {over} "
        f"(95 % interval {interval(effect.interval)}; p {_equals(effect.p_value)}, Holm-corrected "
        f"{p_value(effect.adjusted_p_value)}; seeds: {seeds}): **{effect.verdict}**."
    )


def _significance(found: Effects, amount: int | str | None, results: Results) -> list[str]:
    if not found.of_all:
        return ["Nothing to compare.", _left_out(found)]
    of_several = found.of_all + found.of_collections
    collections = ", and over those with the same passages" if found.of_collections else ""
    several = any(map(each_seed, (*found.of_tests, *of_several)))
    return [
        f"Differences of {MEASURE} averaged over seeds{_at(amount)}. Intervals: {RESAMPLES:,} bootstrap resamples of "
        "the queries' differences. p: two-sided paired randomisation test over the queries. Both take the trained "
        "systems as they are: they speak for other queries. "
        + (_OTHER_TRAININGS if several else "")
        + f"A verdict needs a corrected p below {SIGNIFICANT}.",
        f"On each test; Holm's correction is for all {len(found.of_tests)} rows of this table:",
        effects_table(found.of_tests, "tests", lambda effect: plain(effect.tests[0])),
        f"Over all tests{collections}: the mean of the tests' differences, each test counting the same; queries are "
        "resampled, and signs flipped, within their test, and together where tests ask the same questions. "
        "These rows are a family of their own, so Holm's correction is for the "
        f"{len(of_several)} rows of this table:",
        effects_table(
            of_several,
            "tests",
            lambda effect: (
                f"all {len(effect.tests)}"
                if effect in found.of_all
                else _of_collection(effect, results, " with ")
            ),
        ),
        _left_out(found),
    ]


def _collections(tests: Sequence[str], passages: Mapping[str, str]) -> list[list[str]]:
    """Return the tests by what they search in."""
    collections: dict[str, list[str]] = {}
    for test in tests:
        collections.setdefault(passages[test], []).append(test)
    return list(collections.values())


def _at_smaller_amounts(found: Sequence[Effect]) -> list[str]:
    if not found:
        return []
    return [
        "The comparisons at the smaller amounts, over all tests with cells of both; Holm's correction is for the "
        f"{len(found)} rows of this table:",
        effects_table(found, "pairs; tests", lambda effect: f"{effect.amount:,}; {len(effect.tests)}"),
    ]


def _left_out(found: Effects) -> str:
    if not found.left_out:
        return ""
    return "Left out for want of cells:\n\n" + "\n".join(f"- {plain(each)}" for each in found.left_out)


def _equals(value: float) -> str:
    shown = p_value(value)
    return shown.replace("<", "< ") if shown.startswith("<") else f"= {shown}"


def _at(amount: int | str | None) -> str:
    if amount is None:
        return ""
    return " with all sentence pairs" if isinstance(amount, str) else f" with {amount:,} sentence pairs"


def _picture(pictures: Sequence[str], name: str, ceiling: str | None) -> str:
    if name not in pictures:
        return ""
    caption = _CAPTIONS[name] + ("; dashed: the ceiling." if ceiling else ".")
    return f"![{caption}](figures/{name}.svg)\n\n{caption} [As PNG](figures/{name}.png)."
