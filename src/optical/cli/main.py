"""Entry point: commands, and what a user sees when something goes wrong."""

import errno
import functools
import os
import re
import signal
from collections.abc import Callable
from typing import NoReturn

import typer
from rich.console import Console

from optical import __version__
from optical.cli import (
    align,
    bitext,
    build_wikiclir,
    data,
    demo,
    distill,
    evaluate,
    explain,
    export,
    graft,
    index,
    search,
    serve,
    study,
    supervise,
    teach,
    translate,
)
from optical.errors import OpticalError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors and tokenizers pass on the system's words, torch.save has its own.
_DISK_FULL_BELOW = re.compile(
    rf"\(os error ({'|'.join(map(str, _DISK_FULL))})\)|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+"
)
_UNUSABLE_PATH = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)

app = typer.Typer(
    help="Cross-lingual search for low-resource languages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Cross-lingual search for low-resource languages."""
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit code 0 for success, 2 for a mistake that the user can mend, 130 where stopped."""
    # Progress and warnings of the libraries below would bury ours.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    # A scheduler's request to end is like Ctrl-C: what is half-written goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # `python -m optical` and torchrun would print names of their own.
    app(prog_name="optical")


def _explained(command: Callable[..., None]) -> Callable[..., None]:
    """Make ``command`` end in a sentence and an exit code where it would end in a traceback."""

    @functools.wraps(command)
    def explained(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except OpticalError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            _fail(
                "Stopped; nothing half-written is left. Give the same command again: `optical distill`, "
                "`optical supervise` and `optical teach` go on from the last checkpoint, `optical index`, "
                "`optical study` and `optical data` where they were.",
                code=130,
            )
        except Exception as error:
            number = getattr(error, "errno", None)
            if number in _DISK_FULL or _DISK_FULL_BELOW.search(str(error)):
                _fail(
                    f"The disk is full ({error}). Free some space, or choose an output on another disk, and run it "
                    "again."
                )
            elif isinstance(error, OSError) and number in _UNUSABLE_PATH:
                _fail(f"{error.filename} cannot be used ({error.strerror}). Choose another place.")
            raise

    return explained


for _command in (
    graft.graft,
    distill.distill,
    supervise.supervise,
    search.search,
    explain.explain,
    serve.serve,
    serve.key,
    export.export,
    evaluate.evaluate,
    align.align,
    demo.demo,
):
    app.command()(_explained(_command))
index.app.command()(_explained(index.build))
index.app.command()(_explained(index.add))
index.app.command()(_explained(index.optimise))
index.app.command()(_explained(index.info))
index.app.command()(_explained(index.push))
index.app.command()(_explained(index.pull))
study.app.command()(_explained(study.run))
study.app.command()(_explained(study.report))
app.add_typer(index.app, name="index")
app.add_typer(study.app, name="study")
data.app.command("list")(_explained(data.list_known))
data.app.command()(_explained(data.get))
data.app.command()(_explained(build_wikiclir.build_wikiclir))
data.app.command()(_explained(translate.translate))
app.add_typer(data.app, name="data")
bitext.app.command()(_explained(bitext.check))
bitext.app.command()(_explained(bitext.clean))
bitext.app.command()(_explained(bitext.coverage))
app.add_typer(bitext.app, name="bitext")
teach.app.command()(_explained(teach.tokens))
teach.app.command()(_explained(teach.ranking))
app.add_typer(teach.app, name="teach")


def _fail(message: str, code: int = 2) -> NoReturn:
    # Of several processes (torchrun, accelerate launch) only the first speaks.
    console = Console(stderr=True, soft_wrap=True, highlight=False, quiet=os.environ.get("RANK", "0") != "0")
    console.print("Error:", style="red", end=" ")
    console.print(message, markup=False)
    raise typer.Exit(code)
