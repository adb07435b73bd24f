"""A small encoder learns the token vectors of a larger one, from plain text."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder

from optical.distillation.batches import BitextCollator
from optical.distillation.progress import TrainingProgress
from optical.distillation.run import save_outcome, train_best, work_folder
from optical.distillation.settings import identity
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.trainer import make_trainer
from optical.distillation.untrained import switch_off_dropout
from optical.encoders import fingerprint, is_late_interaction, load_encoder
from optical.errors import OpticalError
from optical.files import folder_once, require_absent
from optical.teaching.architecture import keep_most, load_larger, small_encoder
from optical.teaching.matching import require_equal_sides, require_same_tokens
from optical.teaching.settings import TokenSettings
from optical.teaching.texts import digest_texts, read_texts, split_texts
from optical.teaching.token_loss import TokenCosineLoss, TokenEvaluator


def teach_tokens(
    teacher: str | Path,
    texts: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    cache: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> MultiVectorEncoder:
    """Train an encoder to give every token the vector that a larger one with the same tokenizer gives it.

    The work in progress lies in ``OUTPUT.partial``; a run that was stopped goes on from there when it is called again
    with the same arguments.

    Args:
        teacher: Hub id or folder of the larger encoder. One that is no late-interaction checkpoint gets the projection
            of its token vectors that keeps most of them (see
            :func:`optical.teaching.architecture.keep_most`).
        texts: files of plain text, one passage, sentence or question a line.
        output: folder for the encoder; must not exist.
        cache: folder where the teacher's vectors are kept and looked for. By default they are thrown away at the end.
        progress: show a progress bar with texts a second and the time left.
        **settings: see :class:`optical.teaching.TokenSettings`.

    Returns:
        An encoder of queries and passages alike.

    Raises:
        OpticalError: bad input; the message says which and what to do.
    """
    started = time.monotonic()
    target = Path(output)
    require_absent(target)
    chosen = TokenSettings(**settings)
    files = [texts] if isinstance(texts, str | Path) else list(texts)
    read = read_texts(files)
    digest = digest_texts(read)
    training, development = split_texts(read, chosen.held_back, chosen.seed)
    state = PartialState(cpu=not torch.accelerator.is_available())
    step = chosen.batch_size * state.num_processes
    if len(training) < step:
        raise OpticalError(
            f"Only {len(training)} texts are left to train on, fewer than the {step} of one step. Lower batch_size, "
            "or give more."
        )
    larger = load_larger(teacher, chosen.dimension)
    require_equal_sides(larger, str(teacher))
    name = identity(chosen, [fingerprint(larger)], digest)
    with work_folder(target, name, state) as work:
        with state.main_process_first():
            if not is_late_interaction(teacher):
                # Kept, as another machine would round its way to another projection.
                projected = folder_once(work / "teacher", lambda folder: _project(larger, read, folder))
                larger = MultiVectorEncoder(str(projected)).eval()
            taught_by = fingerprint(larger)
            start = folder_once(work / "student", lambda folder: _start(chosen, larger, folder))
            student = MultiVectorEncoder(str(start))
            require_same_tokens(student, larger, chosen.student)
            if chosen.bfloat16:
                larger.bfloat16()
            vectors = TeacherVectors.cached(
                larger, [*development, *training], work if cache is None else Path(cache), progress=progress
            )
        rows = Dataset.from_dict(
            {
                "foreign": training,
                "english": training,
                "length": [vectors.length(text) for text in training],
            }
        )
        trainer = make_trainer(
            student,
            rows,
            TokenCosineLoss(student),
            BitextCollator(student, vectors),
            TokenEvaluator(development, vectors),
            chosen,
            work / "checkpoints",
        )
        outcome = train_best(
            trainer, start, work / "checkpoints", TrainingProgress("Teaching", "texts", shown=progress)
        )
        made_from = {
            "taught": {"by": str(teacher), "fingerprint": taught_by},
            "texts": {"digest": digest, "texts": len(read)},
            "settings": chosen.as_dict(),
            "parameters": sum(weight.numel() for weight in outcome.encoder.parameters()),
        }
        save_outcome(outcome, target, made_from, state, started)
    return outcome.encoder


def _project(larger: MultiVectorEncoder, texts: Sequence[str], folder: Path) -> None:
    keep_most(larger, texts)
    larger.save_pretrained(str(folder), create_model_card=False)


def _start(settings: TokenSettings, teacher: MultiVectorEncoder, folder: Path) -> None:
    if settings.student == "small":
        student = small_encoder(
            teacher,
            layers=settings.layers,
            width=settings.width,
            embedding_width=settings.embedding_width,
            seed=settings.seed,
        )
    else:
        student = load_encoder(settings.student, dimension=teacher.get_embedding_dimension())
        switch_off_dropout(student)
    student.save_pretrained(str(folder), create_model_card=False)
