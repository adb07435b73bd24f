"""The sentence-transformers trainer, set up for students with a frozen passage side, and its checkpoints."""

import json
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.base.training_args import BatchSamplers
from sentence_transformers.multi_vector_encoder.training_args import MultiVectorEncoderTrainingArguments
from sentence_transformers.sentence_transformer.modules import WordWeights
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from optical.distillation.batches import LengthBatchSampler
from optical.distillation.settings import TrainingSettings
from optical.encoders import query_modules, query_transformer
from optical.objectives import Objective

_SECONDS_BETWEEN_CHECKPOINTS = 120
_OBJECTIVE_FILE = "objective.pt"


def make_trainer(
    encoder: MultiVectorEncoder,
    dataset: Dataset,
    loss: Objective,
    collator: Callable[[Sequence[dict[str, Any]]], dict[str, Any]],
    evaluator: BaseEvaluator,
    settings: TrainingSettings,
    folder: Path,
    *,
    own_learning_rate: float = 0.0,
    sampler: BatchSamplers | type[DefaultBatchSampler] = LengthBatchSampler,
) -> MultiVectorEncoderTrainer:
    """Make a trainer of the query side of ``encoder``; a document side of its own is frozen.

    Args:
        encoder: the artefact to train.
        dataset: rows for the collator, with their number of tokens in the column ``length``.
        loss: of ``encoder``.
        collator: makes the features of a batch from its rows; those of the foreign side are called ``foreign_...``.
        evaluator: its primary figure chooses the best checkpoint.
        settings: of the run.
        folder: for checkpoints.
        own_learning_rate: peak rate of what the loss learns besides the student.
        sampler: which rows make a batch.
    """
    # Widget examples and a look at the Hub would cost time and a network for nothing.
    encoder.model_card_data.generate_widget_examples = False
    encoder.model_card_data.local_files_only = True
    encoder.requires_grad_(False)
    for module in query_modules(encoder):
        # The weights of terms come from the bitext and are not learned.
        module.requires_grad_(not isinstance(module, WordWeights))
    embeddings = query_transformer(encoder).auto_model.get_input_embeddings().weight
    (embeddings_name,) = (name for name, weight in encoder.named_parameters() if weight is embeddings)
    bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    steps_between = math.ceil(settings.steps / settings.evaluations)
    arguments = MultiVectorEncoderTrainingArguments(
        output_dir=str(folder),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        learning_rate_mapping={
            re.escape(embeddings_name) + "$": settings.embedding_learning_rate,
            **{f"^{re.escape(name)}$": own_learning_rate for name in loss.own_parameters()},
        },
        warmup_steps=0.1,
        weight_decay=0.0,
        use_cpu=not torch.accelerator.is_available(),
        bf16=bfloat16 if settings.bfloat16 is None else settings.bfloat16,
        seed=settings.seed,
        batch_sampler=sampler,
        router_mapping={"foreign": "query"},
        eval_strategy="steps",
        eval_steps=steps_between,
        save_strategy="steps",
        save_steps=steps_between,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{evaluator.primary_metric}",
        logging_steps=min(50, settings.steps),
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )
    trainer = _Trainer(
        model=encoder,
        args=arguments,
        train_dataset=dataset,
        loss=loss,
        evaluator=evaluator,
        data_collator=collator,
        callbacks=[_RegularCheckpoints()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint in ``folder``, or None."""
    complete = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None


class _Trainer(MultiVectorEncoderTrainer):
    """Looks after what an objective learns besides the student, which the base class gives to its optimiser only."""

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        own = self.loss.own_parameters().values()
        # Not every supported version of sentence-transformers clears these gradients (6.0 does not).
        for weight in own:
            weight.grad = None
        loss: torch.Tensor = super().training_step(*arguments, **named)
        # They are no part of the model that torch keeps the same in all processes.
        for weight in own:
            weight.grad = self.accelerator.reduce(weight.grad, reduction="mean")
        return loss

    def evaluation_loop(self, *arguments: Any, **named: Any) -> EvalLoopOutput:
        output = super().evaluation_loop(*arguments, **named)
        output.metrics.update({f"eval_{name}": value for name, value in self.loss.figures().items()})
        return output

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        torch.save(self.loss.own_state(), Path(output_dir or self.args.output_dir) / _OBJECTIVE_FILE)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        # Also called for the best checkpoint, so that the figures of the objective are those of the result.
        super()._load_from_checkpoint(checkpoint_path)
        file = Path(checkpoint_path) / _OBJECTIVE_FILE
        self.loss.load_own_state(torch.load(file, map_location="cpu", weights_only=True))


class _RegularCheckpoints(TrainerCallback):
    """Saves now and then besides the evaluations, so that a stopped run loses little."""

    def __init__(self) -> None:
        self._saved = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.world_size == 1 and time.monotonic() - self._saved > _SECONDS_BETWEEN_CHECKPOINTS:
            # Of several processes each has a clock of its own, and all must save together.
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._saved = time.monotonic()


def _is_json(path: Path) -> bool:
    # trainer_state.json is written last: without it, or with half of it, the process died while it saved.
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
