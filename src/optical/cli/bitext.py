"""``optical bitext``: look for what is wrong with parallel text, and clean it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optical.errors import beginning

if TYPE_CHECKING:
    from optical.bitext.hygiene import Report
    from optical.bitext.hygiene.survey import Watch

app = typer.Typer(no_args_is_help=True, help="Look for what is wrong with parallel text, and clean it.")

Files = Annotated[list[str], typer.Argument(help="Bitext: English and foreign sentences.")]
Language = Annotated[
    str | None,
    typer.Option(
        help="Code of the foreign language (sw, so, am ...): look for sentences in others, by py3langid."
    ),
]
Script = Annotated[
    str | None,
    typer.Option(
        help="Script of the foreign side (latin, ethiopic, ...) in place of those that are common in it."
    ),
]
Against = Annotated[
    Path | None, typer.Option(help="Queries of an evaluation: find the pairs that nearly repeat one.")
]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Go on after damage to a file (broken XML, an archive cut short)."),
]
Examples = Annotated[int, typer.Option(min=0, help="How many pairs to show for each rule.")]
Plot = Annotated[Path | None, typer.Option(help="Write the histograms to this PNG.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")]

_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHOWN = 160


def check(
    files: Files,
    language: Language = None,
    script: Script = None,
    against: Against = None,
    skip_bad: SkipBad = False,
    examples: Examples = 3,
    plot: Plot = None,
    json: Json = None,
) -> None:
    """Report bad pairs, shifted lines and swapped columns, and write nothing."""
    _run(files, None, [], [], language, script, against, skip_bad, examples, plot, json)


def clean(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="Bitext to write; plain or .gz.")],
    drop: Annotated[
        list[str] | None, typer.Option(help="A rule to drop pairs by that only warns otherwise. Repeatable.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="A rule to keep the pairs of that drops otherwise. Repeatable.")
    ] = None,
    language: Language = None,
    script: Script = None,
    against: Against = None,
    skip_bad: SkipBad = False,
    examples: Examples = 1,
    plot: Plot = None,
    json: Json = None,
) -> None:
    """Write the good pairs, with shifts and swaps put right; the others go to OUTPUT.dropped.tsv with their reasons."""
    _run(files, output, drop or [], keep or [], language, script, against, skip_bad, examples, plot, json)


def coverage(
    files: Files,
    tokenizer: Annotated[str, typer.Option(help="Encoder or tokenizer: Hub id, folder or optical-tiny-en.")],
    skip_bad: SkipBad = False,
) -> None:
    """Measure how well a tokenizer covers the foreign side, and say what to do with its encoder."""
    from optical.bitext.coverage import load_tokenizer, measure_columns, verdict
    from optical.bitext.formats import read_pairs
    from optical.bitext.pairs import Malformed
    from optical.cli.terminal import quiet, say, show_table

    quiet()
    loaded = load_tokenizer(tokenizer)
    columns = [
        "side",
        "words",
        "unknown tokens",
        "tokens per word",
        "tokens per character",
        "single characters",
    ]
    for file in files:
        pairs = (
            (pair.english, pair.foreign)
            for pair in read_pairs(file, skip_bad=skip_bad)
            if not isinstance(pair, Malformed)
        )
        english, foreign = measure_columns(loaded, pairs, 2)
        rows = [
            [
                side,
                f"{measured.words:,}",
                f"{measured.unknown_rate:.2%}",
                f"{measured.fertility:.2f}",
                f"{measured.tokens_per_character:.3f}",
                f"{measured.single_rate:.1%}",
            ]
            for side, measured in (("foreign", foreign), ("English", english))
        ]
        show_table(file, columns, rows)
        say(f"Verdict: {verdict(foreign, english)}.")


def _run(
    files: list[str],
    output: Path | None,
    drop: list[str],
    keep: list[str],
    language: str | None,
    script: str | None,
    against: Path | None,
    skip_bad: bool,
    examples: int,
    plot: Path | None,
    store: Path | None,
) -> None:
    from optical.bitext.hygiene import DROPPED_SUFFIX, DROPPING, rule_named
    from optical.bitext.hygiene import check as look
    from optical.bitext.hygiene.language import WrongLanguage
    from optical.bitext.hygiene.plotting import plot_histograms, require_matplotlib
    from optical.cli.terminal import say
    from optical.collections import read_queries
    from optical.files import replace_file

    dropping = {*DROPPING, *map(rule_named, drop)} - {rule_named(name) for name in keep}
    if plot is not None:
        require_matplotlib(plot)
    queries = list(read_queries(against).values()) if against is not None else []
    wrong_language = WrongLanguage(language) if language is not None else None
    with _progress() as watch:
        report = look(
            files,
            output,
            dropping=dropping,
            skip_bad=skip_bad,
            queries=queries,
            wrong_language=wrong_language,
            script=script,
            examples=examples,
            watch=watch,
        )
    _show(report, {rule.name for rule in dropping})
    if plot is not None:
        plot_histograms(report, plot)
    if store is not None:
        with replace_file(store) as temporary:
            temporary.write_text(json.dumps(report.as_dict(), ensure_ascii=False, indent=1), encoding="utf-8")
    if output is not None:
        say(
            f"Wrote {report.kept:,} of {report.pairs:,} pairs to {output}, the others to {output}{DROPPED_SUFFIX}."
        )


@contextmanager
def _progress() -> "Iterator[Watch]":
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,} pairs of {task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda name, pairs: progress.update(task, advance=pairs, description=name)


def _show(report: "Report", dropping: set[str]) -> None:
    from optical.bitext.hygiene import RULES
    from optical.cli.terminal import say, show_table

    show_table(
        "Sources",
        ["file", "pairs", "good", "unreadable", "script", "foreign characters for an English one"],
        [
            [
                source.name,
                f"{source.pairs:,}",
                f"{source.kept:,}",
                f"{source.malformed:,}",
                " ".join(source.scripts),
                "" if source.foreign_per_english is None else f"{source.foreign_per_english:.2f}",
            ]
            for source in report.sources
        ],
    )
    for source in report.sources:
        for finding in source.findings:
            say(f"{source.name}, lines {finding.first_line} to {finding.last_line}: {finding.what}.")
    show_table(
        "Rules",
        ["rule", "pairs", "of all", "", "meaning"],
        [
            [
                rule.name,
                f"{report.found[rule.name]:,}",
                f"{report.found[rule.name] / max(1, report.pairs):.2%}",
                "drop" if rule.name in dropping else "warn",
                rule.meaning,
            ]
            for rule in RULES
            if report.found[rule.name]
        ],
    )
    for name, examples in report.examples.items():
        say(f"\n{name}, for example:")
        for example in examples:
            say(f"  {example.file}:{example.line}")
            say(f"    {beginning(example.english, _SHOWN)}")
            say(f"    {beginning(example.foreign, _SHOWN)}")
    for note in report.malformed:
        say(f"unreadable: {note}")
    for histogram in report.histograms:
        say(f"\n{histogram.title}:")
        most = max(1, *histogram.counts)
        for low, count in zip(histogram.edges, histogram.counts, strict=False):
            say(f"  {low:6.2f} {_bar(count / most)} {count:,}")


def _bar(share: float) -> str:
    eighths = round(share * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
