"""Progress of long work in the terminal: how far, how fast, how long still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


@contextmanager
def count_progress(
    title: str, unit: str, total: int | None, *, shown: bool
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of units done since the last call.

    Args:
        title: what is being done.
        unit: plural of what is counted.
        total: how many there are; None = not known.
        shown: whether to show it.
    """
    with progress_bar(unit, shown=shown) as bar:
        task = bar.add_task(title, total=total)
        yield lambda number: bar.advance(task, number)


def progress_bar(unit: str, *, shown: bool) -> Progress:
    """Return a bar on standard error with the units done, the speed and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
        console=Console(stderr=True, quiet=not shown),
    )


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")
