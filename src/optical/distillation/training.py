"""A distillation run from bitext to saved artefact."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from filelock import FileLock
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, read_bitext
from optical.distillation.batches import repeat_questions
from optical.distillation.development import PRIMARY_METRIC, DevelopmentEvaluator
from optical.distillation.progress import TrainingProgress
from optical.distillation.recipes import recipe_settings
from optical.distillation.settings import Settings, identity
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.trainer import last_checkpoint, make_trainer
from optical.encoders import (
    PROVENANCE_FILE,
    assemble,
    fingerprint,
    load_encoder,
    make_student,
    query_lengths,
    query_limit,
    query_transformer,
    read_provenance,
    save_artefact,
    versions,
)
from optical.errors import OpticalError
from optical.files import create_folder, replace_file, require_absent
from optical.objectives import make_objective

logger = logging.getLogger(__name__)

# English sentences of the training part that stand among those to be found, to make the search hard.
_DEVELOPMENT_POOL = 4000
_ORIGIN_FILE = "origin.json"
_START_FORMAT = 1  # of an untrained student; a cache may hold those of earlier versions


def distill(
    teacher: str | Path,
    bitext: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    recipe: str | None = None,
    strict: bool = False,
    cache: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> MultiVectorEncoder:
    """Distil a query encoder for a new language from an English one, and save it.

    The work in progress lies in ``OUTPUT.partial``; a run that was stopped goes on from there when it is called
    again with the same arguments, and gives the same student as if it had not been stopped.

    Args:
        teacher: Hub id or folder of the English encoder.
        bitext: sources of sentence pairs (see :func:`optical.bitext.read_bitext`).
        output: folder for the artefact; must not exist.
        recipe: name of settings that belong together (see :data:`optical.distillation.RECIPES`), in place of the
            defaults.
        strict: stop at the first malformed line of the bitext instead of counting it.
        cache: folder where the teacher's vectors and untrained students are kept and looked for; runs that differ in
            objective can share both. By default they are thrown away at the end.
        progress: show a progress bar with pairs a second and the time left.
        **settings: see :class:`optical.distillation.Settings`.

    Returns:
        The artefact: queries of the new language through ``encode_query``, passages through ``encode_document``
        with the teacher's vectors.

    Raises:
        OpticalError: bad input; the message says which and what to do.
    """
    target = Path(output)
    require_absent(target)
    pairs = read_bitext(_sources(bitext), strict=strict)
    folder = None if cache is None else Path(cache)
    chosen = Settings(**{**({} if recipe is None else recipe_settings(recipe)), **settings})
    run = _Run(str(teacher), pairs, target, chosen, cache=folder, progress=progress)
    return run.finish()


def graft(
    teacher: str | Path,
    bitext: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    student: str = "graft",
    dimension: int = 128,
    seed: int = 0,
    strict: bool = False,
) -> MultiVectorEncoder:
    """Make an untrained student and save it: a graft or transplant of the teacher searches as it is.

    Arguments, result and errors are those of :func:`distill`.
    """
    target = Path(output)
    require_absent(target)
    pairs = read_bitext(_sources(bitext), strict=strict)
    encoder = _load_teacher(str(teacher), dimension)
    made = make_student(student, encoder, pairs, seed=seed)
    artefact = assemble(made.encoder, encoder)
    provenance = {
        **_provenance(str(teacher), encoder, pairs),
        "student": {"kind": made.kind, **made.origin},
        "seed": seed,
    }
    with create_folder(target) as folder:
        save_artefact(artefact, folder, provenance)
    return artefact


class _Run:
    """One distillation: what its steps share."""

    def __init__(
        self,
        teacher: str,
        bitext: Bitext,
        target: Path,
        settings: Settings,
        *,
        cache: Path | None,
        progress: bool,
    ) -> None:
        self._teacher_name = teacher
        self._bitext = bitext
        self._target = target
        self._settings = settings
        self._progress = progress
        self._work = target.with_name(target.name + ".partial")
        self._cache = cache or self._work
        self._state = PartialState(cpu=not torch.accelerator.is_available())
        self._training, self._development = bitext.split(settings.held_back, settings.seed)
        if len(self._development) < 2:
            raise OpticalError(
                f"The bitext has {len(bitext)} usable sentence pairs, too few to hold any back "
                "for development. Give more."
            )

    def finish(self) -> MultiVectorEncoder:
        """Go from wherever the work stands to the saved artefact."""
        new = not self._work.exists()
        try:
            return self._finish()
        except OpticalError:
            # The mended command is another run, which would find the folder claimed by this one.
            if new and self._state.is_main_process:
                shutil.rmtree(self._work, ignore_errors=True)
            raise

    def _finish(self) -> MultiVectorEncoder:
        started = time.monotonic()
        teacher = _load_teacher(self._teacher_name, self._settings.dimension)
        # A slip in the objective must not wait for the teacher's vectors.
        make_objective(self._settings.objective, teacher)
        with self._state.main_process_first():
            self._claim_work_folder(teacher)
            start = self._untrained(teacher)
            vectors = self._teacher_vectors(teacher)
        encoder = MultiVectorEncoder(str(start))
        evaluator = self._evaluator(vectors)
        before = evaluator(encoder)
        dataset, checkpoints = self._dataset(encoder, vectors), self._work / "checkpoints"
        trainer = make_trainer(encoder, dataset, vectors, evaluator, self._settings, checkpoints)
        progress = TrainingProgress(shown=self._progress)
        trainer.add_callback(progress)
        with progress:
            trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
        after, best_step = evaluator(encoder), trainer.state.best_global_step
        figures = trainer.loss.figures()
        if after[PRIMARY_METRIC] < before[PRIMARY_METRIC]:
            logger.warning(
                "Training made the student worse (%s %.4f before, %.4f after), so the untrained one is the result. "
                "Lower the learning rates, or look for bad pairs in the bitext.",
                PRIMARY_METRIC,
                before[PRIMARY_METRIC],
                after[PRIMARY_METRIC],
            )
            encoder, after, best_step, figures = MultiVectorEncoder(str(start)), before, 0, {}
        if self._state.is_main_process:
            provenance = {
                **_provenance(self._teacher_name, teacher, self._bitext),
                "student": json.loads((start / _ORIGIN_FILE).read_text(encoding="utf-8")),
                "settings": self._settings.as_dict(),
                "objective": {
                    "formula": self._settings.objective,
                    **trainer.loss.get_config_dict(),
                    **figures,
                },
                "training_pairs": len(dataset),
                "processes": self._state.num_processes,
                "device": str(encoder.device),
                "seconds": round(time.monotonic() - started, 1),
                "best_step": best_step,
                "development_before": before,
                "development_after": after,
            }
            with create_folder(self._target) as folder:
                save_artefact(encoder, folder, provenance)
        self._state.wait_for_everyone()
        if self._state.is_main_process:
            shutil.rmtree(self._work)
        return encoder

    def _claim_work_folder(self, teacher: MultiVectorEncoder) -> None:
        sides = [fingerprint(teacher, "query"), fingerprint(teacher, "document")]
        name = identity(self._settings, sides, self._bitext.digest())
        marker = self._work / "run.txt"
        if self._work.exists() and not (marker.exists() and marker.read_text(encoding="utf-8") == name):
            raise OpticalError(
                f"{self._work} holds something else, or an unfinished run with another teacher, bitext or other "
                "settings. Repeat that command to finish it, or remove the folder to start anew."
            )
        self._work.mkdir(parents=True, exist_ok=True)
        with replace_file(marker) as temporary:
            temporary.write_text(name, encoding="utf-8")

    def _untrained(self, teacher: MultiVectorEncoder) -> Path:
        """Return the saved artefact that training starts from, made now unless it is there."""
        kind, seed = self._settings.student, self._settings.seed
        sides = [fingerprint(teacher, "query"), fingerprint(teacher)]
        content = json.dumps([_START_FORMAT, kind, seed, *sides, self._training.digest()])
        name = f"student-{hashlib.blake2b(content.encode(), digest_size=8).hexdigest()}"
        # Of a checkpoint only the name is known, and what it stands for may have changed since another run.
        start = (self._cache if kind in ("graft", "transplant") else self._work) / name
        start.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(start.with_suffix(".lock")):
            if not start.exists():
                student = make_student(kind, teacher, self._training, seed=seed)
                _switch_off_dropout(student.encoder)
                with create_folder(start) as folder:
                    assemble(student.encoder, teacher).save_pretrained(str(folder), create_model_card=False)
                    origin = {"kind": student.kind, **student.origin}
                    (folder / _ORIGIN_FILE).write_text(json.dumps(origin), encoding="utf-8")
        return start

    def _teacher_vectors(self, teacher: MultiVectorEncoder) -> TeacherVectors:
        """Compute or find the vectors of the English sentences that are short enough."""
        short = _short(teacher, self._bitext.english, self._settings.max_tokens)
        if len(short.keys() & set(self._development.english)) < 2:
            raise OpticalError(
                f"Nearly all English sentences have more than {self._settings.max_tokens} tokens, and none is left "
                "to hold back. Raise max_tokens."
            )
        return TeacherVectors.cached(teacher, list(short), self._cache, progress=self._progress)

    def _evaluator(self, vectors: TeacherVectors) -> DevelopmentEvaluator:
        pairs = zip(self._development.foreign, self._development.english, strict=True)
        held_back = [(foreign, english) for foreign, english in pairs if english in vectors]
        others = (english for english in dict.fromkeys(self._training.english) if english in vectors)
        return DevelopmentEvaluator(
            [foreign for foreign, _ in held_back],
            [english for _, english in held_back],
            vectors,
            others=list(islice(others, _DEVELOPMENT_POOL)),
        )

    def _dataset(self, encoder: MultiVectorEncoder, vectors: TeacherVectors) -> Dataset:
        """Return the training pairs that are short enough on both sides."""
        pairs, most = self._training, self._settings.max_tokens
        lengths = _short(encoder, pairs.foreign, most)
        short = [
            pair
            for pair, (foreign, english) in enumerate(zip(pairs.foreign, pairs.english, strict=True))
            if foreign in lengths and english in vectors
        ]
        step = self._settings.batch_size * self._state.num_processes
        if len(short) < step:
            raise OpticalError(
                f"Only {len(short)} training pairs have at most {most} tokens a side, fewer than the {step} of one "
                "step. Lower batch_size, raise max_tokens, or give more bitext."
            )
        chosen = repeat_questions(short, pairs.english, self._settings.question_share)
        foreign, english = [pairs.foreign[pair] for pair in chosen], [pairs.english[pair] for pair in chosen]
        longer = [max(lengths[f], vectors.length(e)) for f, e in zip(foreign, english, strict=True)]
        return Dataset.from_dict({"foreign": foreign, "english": english, "length": longer})


def _sources(bitext: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [bitext] if isinstance(bitext, str | Path) else list(bitext)


def _load_teacher(name: str, dimension: int) -> MultiVectorEncoder:
    if (Path(name) / PROVENANCE_FILE).is_file():
        teacher = read_provenance(name)["teacher"]["name"]
        raise OpticalError(
            f"{name} is itself a student: its queries are not English. Name its teacher ({teacher}) as the teacher."
        )
    return load_encoder(name, dimension=dimension)


def _short(encoder: MultiVectorEncoder, sentences: list[str], most: int) -> dict[str, int]:
    """Return the number of tokens of each distinct sentence that has at most ``most`` and is not cut off."""
    limit = query_limit(encoder)
    most = most if limit is None else min(most, limit)
    distinct = list(dict.fromkeys(sentences))
    lengths = zip(distinct, query_lengths(encoder, distinct), strict=True)
    return {sentence: length for sentence, length in lengths if length <= most}


def _provenance(name: str, teacher: MultiVectorEncoder, bitext: Bitext) -> dict[str, Any]:
    return {
        "versions": versions(),
        "teacher": {"name": name, "fingerprint": fingerprint(teacher)},
        "bitext": {"digest": bitext.digest(), "pairs": len(bitext), "dropped": bitext.dropped},
    }


def _switch_off_dropout(encoder: MultiVectorEncoder) -> None:
    # The student starts as a copy that nearly works and has a dense target: noise only slows it down.
    config = query_transformer(encoder).auto_model.config
    for name, value in vars(config).items():
        if "dropout" in name and isinstance(value, float):
            setattr(config, name, 0.0)
