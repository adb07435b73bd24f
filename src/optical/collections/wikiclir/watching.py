"""Files read under a bar in the terminal: how far, how many pages a second, how long still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from optical.errors import OpticalError

_Item = TypeVar("_Item")
_ITEMS_AN_UPDATE = 500


class Watch:
    """Opens files, and shows how far each has been read.

    Args:
        shown: False for silence.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown

    def read(
        self, path: Path, title: str, reader: Callable[[BinaryIO], Iterator[_Item]], unit: str = "pages/s"
    ) -> Iterator[_Item]:
        """Yield what ``reader`` makes of the opened file."""
        with self._opened(path, title, unit) as (raw, bar):
            task = bar.task_ids[0]
            for number, item in enumerate(reader(raw), start=1):
                yield item
                if number % _ITEMS_AN_UPDATE == 0:
                    elapsed = bar.tasks[0].elapsed or 1.0
                    bar.update(task, rate=f"{number / elapsed:,.0f} {unit}")

    @contextmanager
    def _opened(self, path: Path, title: str, unit: str) -> Iterator[tuple[BinaryIO, Progress]]:
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, quiet=not self._shown),
        )
        try:
            size = path.stat().st_size
            file = path.open("rb")
        except OSError as error:
            raise OpticalError(f"{path} cannot be read ({error.strerror}). Check the path.") from error
        with bar, file:
            task = bar.add_task(title, total=size, rate="")
            yield bar.wrap_file(file, task_id=task), bar
