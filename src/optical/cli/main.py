"""Entry point: commands, and what a user sees when something goes wrong."""

import errno
import os
import sys

import click
import typer
from rich.console import Console

from optical import __version__
from optical.cli import demo, distill, evaluate, graft, index, search
from optical.errors import OpticalError

app = typer.Typer(
    help="Cross-lingual search for low-resource languages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (graft.graft, distill.distill, index.index, search.search, evaluate.evaluate, demo.demo):
    app.command()(command)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Cross-lingual search for low-resource languages."""
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit code 0 for success, 2 for a mistake that the user can mend, 130 for Ctrl-C."""
    # Progress and warnings of the libraries below would bury ours.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except OpticalError as error:
        _say(str(error))
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        _say("Stopped. What was finished is kept; run the same command again to go on.")
        sys.exit(130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _say(
            f"The disk is full ({error}). Free some space, or choose an output on another disk, and run it again."
        )
        sys.exit(2)


def _say(message: str) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print("Error:", style="red", end=" ")
    console.print(message, markup=False)
