"""Progress of a training in the terminal."""

from typing import Any

from rich.progress import TaskID
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from optical.progress import progress_bar


class TrainingProgress(TrainerCallback):
    """A bar with the examples done a second and the time left, and a line for every evaluation.

    To be used as a context manager around the training, so that no end of it leaves a terminal without a cursor.
    """

    def __init__(self, title: str, unit: str, *, shown: bool) -> None:
        self._title = title
        self._bar = progress_bar(unit, shown=shown)
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
            self._task = self._bar.add_task(self._title, total=total)
            self._bar.update(self._task, completed=state.global_step * self._examples_a_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, completed=state.global_step * self._examples_a_step)

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
