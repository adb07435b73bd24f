"""What every training run goes through: a folder of its own, the training, and the choice of the best student."""

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer

from optical.bitext import QueryTranslations
from optical.distillation.progress import TrainingProgress
from optical.distillation.trainer import last_checkpoint
from optical.encoders import save_artefact, versions
from optical.errors import OpticalError
from optical.files import create_folder, replace_file

logger = logging.getLogger(__name__)


@contextmanager
def work_folder(target: Path, name: str, state: PartialState) -> Iterator[Path]:
    """Yield ``TARGET.partial``, where the work of a run lies until it is done.

    The folder goes when the run is done, and when a new run is refused, as the mended command is another run. It stays
    when the run is stopped.

    Args:
        target: what the run makes.
        name: of the run, by all that decides its result; another one is not let in.
        state: of the processes that work together.

    Raises:
        OpticalError: the folder belongs to another run.
    """
    work = target.with_name(target.name + ".partial")
    new = not work.exists()
    with state.main_process_first():
        _claim(work, name)
    try:
        yield work
    except OpticalError:
        if new and state.is_main_process:
            shutil.rmtree(work, ignore_errors=True)
        raise
    state.wait_for_everyone()
    if state.is_main_process:
        shutil.rmtree(work)


def _claim(work: Path, name: str) -> None:
    marker = work / "run.txt"
    if work.exists() and not (marker.exists() and marker.read_text(encoding="utf-8") == name):
        raise OpticalError(
            f"{work} holds something else, or an unfinished run with another teacher, other data or other "
            "settings. Repeat that command to finish it, or remove the folder to start anew."
        )
    with replace_file(marker) as temporary:
        temporary.write_text(name, encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """The student that training yields.

    Attributes:
        encoder: the best one on the development set.
        best_step: after which it was saved; 0 if training made it worse than the untrained one.
        before: figures of the development set before training.
        after: those of ``encoder``.
        figures: those of the objective.
    """

    encoder: MultiVectorEncoder
    best_step: int
    before: dict[str, float]
    after: dict[str, float]
    figures: dict[str, float]


def save_outcome(
    outcome: Outcome,
    target: Path,
    made_from: Mapping[str, Any],
    state: PartialState,
    started: float,
    translations: QueryTranslations | None = None,
) -> None:
    """Save what a run yields and what made it; of several processes, the first does.

    Args:
        outcome: of the training.
        target: folder to make.
        made_from: what is to be said of teacher, data and settings.
        state: of the processes that worked together.
        started: when the run was started, by :func:`time.monotonic`.
        translations: of the student's bitext, which go with it.
    """
    if not state.is_main_process:
        return
    provenance = {
        "versions": versions(),
        **made_from,
        "processes": state.num_processes,
        "device": str(outcome.encoder.device),
        "seconds": round(time.monotonic() - started, 1),
        "best_step": outcome.best_step,
        "development_before": outcome.before,
        "development_after": outcome.after,
    }
    with create_folder(target) as folder:
        save_artefact(outcome.encoder, folder, provenance, translations)


def train_best(
    trainer: MultiVectorEncoderTrainer, start: Path, checkpoints: Path, progress: TrainingProgress
) -> Outcome:
    """Train, from the last checkpoint if there is one, and return the best student, which may be the untrained one.

    Args:
        trainer: made by :func:`optical.distillation.trainer.make_trainer` of the encoder in ``start``.
        start: the saved artefact that training starts from.
        checkpoints: folder of the checkpoints.
        progress: is shown meanwhile.
    """
    encoder, evaluator = trainer.model, trainer.evaluator
    metric = evaluator.primary_metric
    before = evaluator(encoder)
    trainer.add_callback(progress)
    with progress:
        trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    after = evaluator(encoder)
    if after[metric] < before[metric]:
        logger.warning(
            "Training made the student worse (%s %.4f before, %.4f after), so the untrained one is the result. "
            "Lower the learning rates, or look for mistakes in the training data.",
            metric,
            before[metric],
            after[metric],
        )
        return Outcome(MultiVectorEncoder(str(start)), 0, before, before, {})
    return Outcome(encoder, trainer.state.best_global_step, before, after, trainer.loss.figures())
