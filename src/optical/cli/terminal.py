"""What the commands print, and what they keep the libraries below from printing."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from optical.encoders import read_provenance
from optical.explanation import Explanation

# Of several processes (torchrun, accelerate launch) only the first speaks.
_SILENT = os.environ.get("RANK", "0") != "0"
_console = Console(highlight=False, soft_wrap=True, quiet=_SILENT)


def quiet() -> None:
    """Show this package's warnings on standard error, and nothing of the libraries below."""
    from datasets.utils.logging import disable_progress_bar
    from transformers.utils import logging as transformers_logging

    warnings.simplefilter("ignore")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    disable_progress_bar()
    for library in ("sentence_transformers", "matplotlib"):
        logging.getLogger(library).setLevel(logging.ERROR)
    handler = RichHandler(
        console=Console(stderr=True, quiet=_SILENT), show_time=False, show_path=False, markup=False
    )
    package = logging.getLogger("optical")
    handler.addFilter(_Once())
    package.handlers = [handler]
    package.propagate = False


class _Once(logging.Filter):
    """Lets each message pass once: a command that loads an encoder three times has one thing to say of it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in self._said
        self._said.add(message)
        return new


def say(message: str) -> None:
    """Print a line for the user."""
    _console.print(message, markup=False)


def show_table(title: str, columns: list[str], rows: list[list[str]], text_columns: int = 1) -> None:
    """Print a table; all columns but the first ``text_columns`` are set right."""
    table = Table(title=title, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < text_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as it stands: a token such as [unused0] is no markup
    _console.print(table)


def show_explanation(explanation: Explanation) -> None:
    """Print a passage with the words that answer the query in colour, and the words one by one."""
    passage = Text(explanation.passage)
    strongest = max((match.score for match in explanation.matches), default=0.0)
    for match in explanation.matches:
        style = "bold green" if match.score >= strongest / 2 else "green"
        passage.stylize(style, match.passage.start, match.passage.end)
    _console.print(passage)
    rows = [[match.query.text, match.passage.text, f"{match.score:.2f}"] for match in explanation.matches]
    rows.append(["special tokens", "", f"{explanation.rest:.2f}"])
    show_table("", ["query", "passage", "score"], rows, text_columns=2)


def report_student(folder: Path) -> None:
    """Say what bitext a saved artefact was made from, and where its tokens come from."""
    provenance = read_provenance(folder)
    bitext: dict[str, Any] = provenance["bitext"]
    dropped = ", ".join(f"{count} {reason}" for reason, count in bitext["dropped"].items() if count)
    if bitext["pairs"]:
        say(f"Bitext: {bitext['pairs']} pairs" + (f" (dropped: {dropped})" if dropped else ""))
    student: dict[str, Any] = provenance["student"]
    if "tokens" in student:
        say(
            f"Student: {student['kind']}, {student['tokens']} tokens: {student['translated']} initialised from "
            f"their translations, {student['replaced']} old ones replaced by theirs, {student['kept']} old ones kept, "
            f"{student['pieced']} without translation made of old pieces"
        )
