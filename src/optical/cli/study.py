"""``optical study``: compare systems over languages, seeds and amounts of bitext."""

from pathlib import Path
from typing import Annotated

import typer

from optical.cli.groups import group

Config = Annotated[Path, typer.Argument(help="TOML file that declares the study.")]
Folder = Annotated[Path, typer.Option("--output", help="Folder of the study's results.")]


app = group("run", "Compare systems over languages, seeds and amounts of bitext.")


def run(
    config: Config,
    output: Folder,
    data: Annotated[
        Path, typer.Option(help="Folder that the files named in CONFIG are relative to.")
    ] = Path(),
    teacher: Annotated[
        str | None, typer.Option(help="Hub id or folder, in place of the teacher named in CONFIG.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Cells made at the same time; they share the cores.")
    ] = 1,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time; the same command goes on from there.")
    ] = None,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Make cells again whose code, data or configuration has changed."),
    ] = False,
) -> None:
    """Make all cells of a study that are not there yet, in processes of their own.

    Exit code 1 if a cell failed; the others are made all the same.
    """
    from optical.cli.terminal import quiet, say
    from optical.study import run_study

    quiet()
    progress = run_study(
        config,
        output,
        data=data,
        teacher=teacher,
        workers=workers,
        minutes=minutes,
        recompute=recompute,
        report=say,
    )
    if progress.left:
        say(f"{progress.left} cells are left. Give the same command again to go on.")
    if progress.failed:
        say(f"{len(progress.failed)} cells failed: {', '.join(progress.failed)}.")
        raise typer.Exit(1)


def report(config: Config, output: Folder) -> None:
    """Write report.md, with tables, significance and figures, from the cells that are there."""
    from optical.cli.terminal import quiet, say
    from optical.study import report_study

    quiet()
    say(f"Wrote {report_study(config, output)}.")
