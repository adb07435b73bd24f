"""``optical data``: collections that are known, and how to get them."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

app = typer.Typer(no_args_is_help=True, help="Get collections of passages, queries and judgements.")


def list_known() -> None:
    """List the collections that are known: what they are, whose terms they have, and where they lie."""
    from optical.cli.terminal import show_table
    from optical.collections.registry import KNOWN

    rows = [
        [
            known.name,
            known.languages,
            known.direction,
            known.licence,
            _size(sum(file.bytes for file in known.files)),
            urlsplit(known.files[0].address).netloc if known.files else "through ir_datasets",
        ]
        for known in KNOWN.values()
    ]
    columns = ["Name", "Languages", "Which side is English", "Licence", "Size", "Where"]
    show_table(f"{len(rows)} known collections", columns, rows, text_columns=len(columns))


def get(
    name: Annotated[str, typer.Argument(help="A name that `optical data list` shows.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the files; by default NAME.")
    ] = None,
) -> None:
    """Fetch the files of a known collection and check them; files that are there are only checked.

    A download that was stopped goes on when the same command is given again.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from optical.cli.terminal import say
    from optical.collections.download import fetch
    from optical.collections.registry import KNOWN
    from optical.errors import OpticalError

    if name.startswith("ir_datasets:"):
        say(
            f"ir_datasets fetches this when it is first read: give {name} to --passages, --queries or --qrels."
        )
        return
    known = KNOWN.get(name)
    if known is None:
        near = get_close_matches(name, KNOWN, n=3, cutoff=0.5)
        raise OpticalError(
            f"{name} is no known collection. "
            + (f"Perhaps: {', '.join(near)}." if near else "`optical data list` shows those that are.")
        )
    folder = output or Path(name)
    if folder.exists() and not folder.is_dir():
        raise OpticalError(f"{folder} is no folder. Choose another output.")
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("")
        for file in known.files:
            fetch(
                file,
                folder,
                lambda what, done, size: bars.update(
                    bar, description=what, completed=done, total=size or None
                ),
            )
    say(f"{len(known.files)} file(s) in {folder}. Licence: {known.licence}. Please cite {known.citation}.")
    say(f"Read {known.use.replace('FOLDER', str(folder))}")


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count else ""
