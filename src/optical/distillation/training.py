"""A distillation run from bitext to saved artefact."""

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer
from sentence_transformers.sentence_transformer.modules import WordWeights

from optical.bitext import Bitext, QueryTranslations, read_bitext
from optical.distillation.batches import BitextCollator, foreign_tokens
from optical.distillation.development import DevelopmentEvaluator
from optical.distillation.progress import TrainingProgress
from optical.distillation.recipes import recipe_settings
from optical.distillation.run import save_outcome, train_best, work_folder
from optical.distillation.settings import Settings, identity
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.token_weights import IdfWeights
from optical.distillation.trainer import make_trainer
from optical.distillation.untrained import load_teacher, read_origin, untrained_student
from optical.encoders import (
    assemble,
    fingerprint,
    make_student,
    query_lengths,
    query_limit,
    query_modules,
    save_artefact,
    versions,
)
from optical.errors import OpticalError
from optical.files import create_folder, require_absent
from optical.objectives import make_objective

# English sentences of the training part that stand among those to be found, to make the search hard.
_DEVELOPMENT_POOL = 4000


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
    weighted: bool = True,
    seed: int = 0,
    strict: bool = False,
) -> MultiVectorEncoder:
    """Make an untrained student and save it: a graft or transplant of the teacher searches as it is.

    Arguments, result and errors are those of :func:`distill`.
    """
    target = Path(output)
    require_absent(target)
    pairs = read_bitext(_sources(bitext), strict=strict)
    encoder = load_teacher(str(teacher), dimension)
    made = make_student(student, encoder, pairs, seed=seed, weighted=weighted)
    artefact = assemble(made.encoder, encoder)
    provenance = {
        "versions": versions(),
        **_origins(str(teacher), encoder, pairs),
        "student": {"kind": made.kind, **made.origin},
        "weighted": any(isinstance(module, WordWeights) for module in query_modules(artefact)),
        "seed": seed,
    }
    with create_folder(target) as folder:
        save_artefact(artefact, folder, provenance, QueryTranslations.estimate(pairs))
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
        self._cache = cache
        self._state = PartialState(cpu=not torch.accelerator.is_available())
        self._training, self._development = bitext.split(settings.held_back, settings.seed)
        if len(self._development) < 2:
            raise OpticalError(
                f"The bitext has {len(bitext)} usable sentence pairs, too few to hold any back "
                "for development. Give more."
            )

    def finish(self) -> MultiVectorEncoder:
        """Go from wherever the work stands to the saved artefact."""
        started = time.monotonic()
        settings, state = self._settings, self._state
        teacher = load_teacher(self._teacher_name, settings.dimension)
        # A slip in the objective must not wait for the teacher's vectors.
        make_objective(settings.objective, teacher)
        sides = [fingerprint(teacher, "query"), fingerprint(teacher, "document")]
        name = identity(settings, sides, self._bitext.digest())
        with work_folder(self._target, name, state) as work:
            cache = self._cache or work
            with state.main_process_first():
                start = untrained_student(
                    settings.student,
                    teacher,
                    self._training,
                    settings.seed,
                    weighted=settings.weighted,
                    cache=cache,
                    work=work,
                )
                vectors = self._teacher_vectors(teacher, cache)
            encoder = MultiVectorEncoder(str(start))
            dataset = self._dataset(encoder, vectors)
            settings = replace(
                settings, batch_size=min(settings.batch_size, len(dataset) // state.num_processes)
            )
            trainer = self._trainer(encoder, dataset, vectors, settings, work / "checkpoints")
            progress = TrainingProgress("Distilling", "pairs", shown=self._progress)
            outcome = train_best(trainer, start, work / "checkpoints", progress)
            made_from = {
                **_origins(self._teacher_name, teacher, self._bitext),
                "student": read_origin(start),
                "settings": settings.as_dict(),
                "objective": {
                    "formula": settings.objective,
                    **trainer.loss.get_config_dict(),
                    **outcome.figures,
                },
                "training_pairs": len(dataset),
            }
            translations = QueryTranslations.estimate(self._bitext) if state.is_main_process else None
            save_outcome(outcome, self._target, made_from, state, started, translations)
        return outcome.encoder

    def _trainer(
        self,
        encoder: MultiVectorEncoder,
        dataset: Dataset,
        vectors: TeacherVectors,
        settings: Settings,
        checkpoints: Path,
    ) -> MultiVectorEncoderTrainer:
        loss = make_objective(
            settings.objective,
            encoder,
            eps=settings.eps,
            special_tokens=settings.special_tokens,
            marginals=settings.marginals,
            steps=settings.steps,
            seed=settings.seed,
        )
        weights = None
        if settings.marginals == "idf":
            foreign, english = (sorted(set(dataset[side])) for side in ("foreign", "english"))
            weights = (
                IdfWeights(vectors.tokens(sentence).tolist() for sentence in english),
                IdfWeights(foreign_tokens(encoder, foreign)),
            )
        return make_trainer(
            encoder,
            dataset,
            loss,
            BitextCollator(encoder, vectors, weights),
            self._evaluator(vectors),
            settings,
            checkpoints,
            own_learning_rate=settings.discriminator_learning_rate,
        )

    def _teacher_vectors(self, teacher: MultiVectorEncoder, cache: Path) -> TeacherVectors:
        """Compute or find the vectors of the English sentences that are short enough."""
        short = _short(teacher, self._bitext.english, self._settings.max_tokens)
        if len(short.keys() & set(self._development.english)) < 2:
            raise OpticalError(
                f"Nearly all English sentences have more than {self._settings.max_tokens} tokens, and none is left "
                "to hold back. Raise max_tokens."
            )
        return TeacherVectors.cached(teacher, list(short), cache, progress=self._progress)

    def _evaluator(self, vectors: TeacherVectors) -> DevelopmentEvaluator:
        pairs = zip(self._development.foreign, self._development.english, strict=True)
        held_back = [(foreign, english) for foreign, english in pairs if english in vectors]
        others = [english for english in dict.fromkeys(self._training.english) if english in vectors]
        # The first ones might all be of one source, of which most held-back sentences are not.
        draw = random.Random(self._settings.seed)
        return DevelopmentEvaluator(
            [foreign for foreign, _ in held_back],
            [english for _, english in held_back],
            vectors,
            others=draw.sample(others, min(len(others), _DEVELOPMENT_POOL)),
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
        if len(short) < self._state.num_processes:
            raise OpticalError(
                f"Only {len(short)} training pairs have at most {most} tokens a side, fewer than one for each process. "
                "Raise max_tokens, or give more bitext."
            )
        foreign, english = [pairs.foreign[pair] for pair in short], [pairs.english[pair] for pair in short]
        longer = [max(lengths[f], vectors.length(e)) for f, e in zip(foreign, english, strict=True)]
        return Dataset.from_dict({"foreign": foreign, "english": english, "length": longer})


def _sources(bitext: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [bitext] if isinstance(bitext, str | Path) else list(bitext)


def _short(encoder: MultiVectorEncoder, sentences: list[str], most: int) -> dict[str, int]:
    """Return the number of tokens of each distinct sentence that has at most ``most`` and is not cut off."""
    limit = query_limit(encoder)
    most = most if limit is None else min(most, limit)
    distinct = list(dict.fromkeys(sentences))
    lengths = zip(distinct, query_lengths(encoder, distinct), strict=True)
    return {sentence: length for sentence, length in lengths if length <= most}


def _origins(name: str, teacher: MultiVectorEncoder, bitext: Bitext) -> dict[str, Any]:
    return {
        "teacher": {"name": name, "fingerprint": fingerprint(teacher)},
        "bitext": {"digest": bitext.digest(), "pairs": len(bitext), "dropped": bitext.dropped},
    }
