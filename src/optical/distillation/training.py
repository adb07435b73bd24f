"""A distillation run from bitext to saved artefact."""

import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer
from sentence_transformers.multi_vector_encoder.training_args import MultiVectorEncoderTrainingArguments
from transformers import PrinterCallback

from optical.bitext import Bitext, read_bitext
from optical.distillation.batches import BitextCollator, LengthBatchSampler, repeat_questions
from optical.distillation.development import PRIMARY_METRIC, DevelopmentEvaluator
from optical.distillation.progress import TrainingProgress
from optical.distillation.settings import Settings, identity
from optical.distillation.teacher_vectors import TeacherVectors
from optical.encoders import (
    assemble,
    fingerprint,
    load_encoder,
    make_student,
    query_modules,
    query_transformer,
    save_artefact,
    versions,
)
from optical.errors import OpticalError
from optical.files import create_folder, replace_file, require_absent
from optical.objectives import make_objective

_ORIGIN_FILE = "origin.json"


def distill(
    teacher: str | Path,
    bitext: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
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
        strict: stop at the first malformed line of the bitext instead of counting it.
        cache: folder where the teacher's vectors are kept and looked for; runs that differ in student, objective or
            seed can share them. By default they are thrown away at the end.
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
    run = _Run(str(teacher), pairs, target, Settings(**settings), cache=folder, progress=progress)
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
    """Make an untrained student ("graft" or "transplant") and save it: it searches as it is.

    Arguments, result and errors are those of :func:`distill`.
    """
    target = Path(output)
    require_absent(target)
    pairs = read_bitext(_sources(bitext), strict=strict)
    encoder = load_encoder(teacher, dimension=dimension)
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
        self._on_cpu = not torch.accelerator.is_available()
        self._state = PartialState(cpu=self._on_cpu)
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
        teacher = load_encoder(self._teacher_name, dimension=self._settings.dimension)
        # A slip in the formula must not wait for the teacher's vectors.
        make_objective(self._settings.objective, teacher)
        with self._state.main_process_first():
            self._claim_work_folder(fingerprint(teacher))
            self._make_student(teacher)
            sentences = self._bitext.english
            lengths = _token_counts(teacher, sentences)
            short = [
                each for each, n in zip(sentences, lengths, strict=True) if n <= self._settings.max_tokens
            ]
            if len(set(short).intersection(self._development.english)) < 2:
                raise OpticalError(
                    f"Nearly all English sentences have more than {self._settings.max_tokens} tokens, and none is left "
                    "to hold back. Raise max_tokens."
                )
            vectors = TeacherVectors.cached(teacher, short, self._cache, progress=self._progress)
        encoder = MultiVectorEncoder(str(self._work / "start"))
        pairs = zip(self._development.foreign, self._development.english, strict=True)
        held_back = [(foreign, vectors[english][0]) for foreign, english in pairs if english in vectors]
        evaluator = DevelopmentEvaluator(
            [foreign for foreign, _ in held_back], [target for _, target in held_back]
        )
        before = evaluator(encoder)
        trainer = self._trainer(encoder, vectors, evaluator)
        progress = TrainingProgress(shown=self._progress)
        trainer.add_callback(progress)
        with progress:
            trainer.train(resume_from_checkpoint=_last_checkpoint(self._work / "checkpoints"))
        after = evaluator(encoder)
        if self._state.is_main_process:
            made = json.loads((self._work / "start" / _ORIGIN_FILE).read_text(encoding="utf-8"))
            provenance = {
                **_provenance(self._teacher_name, teacher, self._bitext),
                "student": made,
                "settings": self._settings.as_dict(),
                "objective": trainer.loss.get_config_dict(),
                "training_pairs": len(trainer.train_dataset),
                "processes": self._state.num_processes,
                "device": str(encoder.device),
                "seconds": round(time.monotonic() - started, 1),
                "best_step": trainer.state.best_global_step,
                "development_before": before,
                "development_after": after,
            }
            with create_folder(self._target) as folder:
                save_artefact(encoder, folder, provenance)
        self._state.wait_for_everyone()
        if self._state.is_main_process:
            shutil.rmtree(self._work)
        return encoder

    def _claim_work_folder(self, teacher: str) -> None:
        name = identity(self._settings, teacher, self._bitext.digest())
        marker = self._work / "run.txt"
        if marker.exists() and marker.read_text(encoding="utf-8") != name:
            raise OpticalError(
                f"{self._work} holds an unfinished run with another teacher, bitext or other settings. Repeat that "
                "command to finish it, or remove the folder to start anew."
            )
        self._work.mkdir(parents=True, exist_ok=True)
        with replace_file(marker) as temporary:
            temporary.write_text(name, encoding="utf-8")

    def _make_student(self, teacher: MultiVectorEncoder) -> None:
        """Save the untrained artefact that training starts from, unless it is there."""
        start = self._work / "start"
        if not start.exists():
            student = make_student(self._settings.student, teacher, self._training, seed=self._settings.seed)
            _switch_off_dropout(student.encoder)
            with create_folder(start) as folder:
                assemble(student.encoder, teacher).save_pretrained(str(folder), create_model_card=False)
                origin = {"kind": student.kind, **student.origin}
                (folder / _ORIGIN_FILE).write_text(json.dumps(origin), encoding="utf-8")

    def _dataset(self, encoder: MultiVectorEncoder, vectors: TeacherVectors) -> Dataset:
        """Return the training pairs that are short enough on both sides."""
        pairs, most = self._training, self._settings.max_tokens
        lengths = _token_counts(encoder, pairs.foreign)
        short = [
            pair
            for pair, (length, english) in enumerate(zip(lengths, pairs.english, strict=True))
            if length <= most and english in vectors
        ]
        step = self._settings.batch_size * self._state.num_processes
        if len(short) < step:
            raise OpticalError(
                f"Only {len(short)} training pairs have at most {most} tokens a side, fewer than the {step} of one "
                "step. Lower batch_size, raise max_tokens, or give more bitext."
            )
        chosen = repeat_questions(short, pairs.english, self._settings.question_share)
        columns = {
            "foreign": [pairs.foreign[pair] for pair in chosen],
            "english": [pairs.english[pair] for pair in chosen],
            "length": [max(lengths[pair], vectors.length(pairs.english[pair])) for pair in chosen],
        }
        return Dataset.from_dict(columns)

    def _trainer(
        self, encoder: MultiVectorEncoder, vectors: TeacherVectors, evaluator: DevelopmentEvaluator
    ) -> MultiVectorEncoderTrainer:
        settings = self._settings
        # Widget examples and a look at the Hub would cost time and a network for nothing.
        encoder.model_card_data.generate_widget_examples = False
        encoder.model_card_data.local_files_only = True
        encoder.requires_grad_(False)
        for module in query_modules(encoder):
            module.requires_grad_(True)
        embeddings = query_transformer(encoder).auto_model.get_input_embeddings().weight
        (embeddings_name,) = (name for name, weight in encoder.named_parameters() if weight is embeddings)
        bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        arguments = MultiVectorEncoderTrainingArguments(
            output_dir=str(self._work / "checkpoints"),
            max_steps=settings.steps,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            learning_rate_mapping={re.escape(embeddings_name) + "$": settings.embedding_learning_rate},
            warmup_steps=0.1,
            weight_decay=0.0,
            use_cpu=self._on_cpu,
            bf16=bfloat16 if settings.bfloat16 is None else settings.bfloat16,
            seed=settings.seed,
            batch_sampler=LengthBatchSampler,
            router_mapping={"foreign": "query"},
            eval_strategy="steps",
            eval_steps=1 / settings.evaluations,
            save_strategy="steps",
            save_steps=1 / settings.evaluations,
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model=f"eval_{PRIMARY_METRIC}",
            logging_steps=min(50, settings.steps),
            disable_tqdm=True,
            report_to="none",
            dataloader_pin_memory=False,
            remove_unused_columns=False,
        )
        trainer = MultiVectorEncoderTrainer(
            model=encoder,
            args=arguments,
            train_dataset=self._dataset(encoder, vectors),
            loss=make_objective(settings.objective, encoder),
            evaluator=evaluator,
            data_collator=BitextCollator(encoder, vectors),
        )
        trainer.remove_callback(PrinterCallback)
        return trainer


def _sources(bitext: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [bitext] if isinstance(bitext, str | Path) else list(bitext)


def _token_counts(encoder: MultiVectorEncoder, sentences: list[str]) -> list[int]:
    """Return the number of tokens of each sentence on the query side, special tokens included."""
    tokenizer = query_transformer(encoder).tokenizer
    encoded = tokenizer(sentences, padding=False, truncation=False, verbose=False)["input_ids"]
    return [len(ids) for ids in encoded]


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


def _last_checkpoint(folder: Path) -> str | None:
    # trainer_state.json is written last: without it, or with half of it, the process died while it saved.
    complete = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
