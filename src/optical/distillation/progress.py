"""Progress in the terminal: how far, how fast, how long still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


@contextmanager
def count_progress(title: str, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many of ``total`` are done."""
    with _bar("/s", shown) as bar:
        task = bar.add_task(title, total=total, rate="")
        yield lambda done: _update(bar, task, done)


class TrainingProgress(TrainerCallback):
    """A bar with the examples done a second and the time left, and a line for every evaluation.

    To be used as a context manager around the training, so that no end of it leaves a terminal without a cursor.
    """

    def __init__(self, title: str, unit: str, *, shown: bool) -> None:
        self._title = title
        self._bar = _bar(f"{unit}/s", shown)
        self._task: TaskID | None = None
        self._examples_a_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the bar."""
        self._examples_a_step = args.train_batch_size * args.world_size
        if state.is_world_process_zero:
            self._bar.start()
            total = state.max_steps * self._examples_a_step
            self._task = self._bar.add_task(self._title, total=total, rate="")
            self._bar.update(self._task, completed=state.global_step * self._examples_a_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        if self._task is not None:
            _update(self._bar, self._task, state.global_step * self._examples_a_step)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print the figures of the development set."""
        if self._task is not None:
            figures = [
                f"{name.removeprefix('eval_')} {value:.4f}"
                for name, value in (metrics or {}).items()
                if isinstance(value, float)
                and not name.endswith(("runtime", "per_second"))
                and name != "epoch"
            ]
            self._bar.console.print(
                f"step {state.global_step}: {', '.join(figures)}", highlight=False, soft_wrap=True
            )

    def __enter__(self) -> None:
        """Do nothing: the bar starts when the number of steps is known."""

    def __exit__(self, *error: object) -> None:
        """Stop the bar."""
        self._bar.stop()


def _bar(unit: str, shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} " + unit),
        TimeRemainingColumn(),
        console=Console(stderr=True, quiet=not shown),
    )


def _update(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)
    speed = bar.tasks[task].speed
    bar.update(task, rate=f"{speed:,.0f}" if speed else "")
