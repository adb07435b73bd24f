"""Machine translation into English, trained from scratch on the bitext that a student is distilled on."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import (
    DataCollatorForSeq2Seq,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    set_seed,
)

from optical.bitext import Bitext
from optical.distillation.batches import LengthBatchSampler
from optical.distillation.run import work_folder
from optical.distillation.trainer import last_checkpoint
from optical.encoders import PROVENANCE_FILE, versions
from optical.errors import OpticalError
from optical.files import create_folder, require_absent
from optical.packages import require_package
from optical.rivals.guided_alignment import SubwordTranslations
from optical.rivals.subwords import LONGEST_SENTENCE, learn_subwords
from optical.rivals.translation import Translator
from optical.rivals.translator_settings import TranslatorSettings

_LEAST_CHECKPOINTS = 4
_MOST_STEPS_BETWEEN_CHECKPOINTS = 500


def train_translator(
    bitext: Bitext, output: Path, *, steps: int, seed: int, held_back: int = 500, **settings: Any
) -> None:
    """Train a translator from the foreign language into English on ``bitext`` alone, and save it.

    A small transformer (Vaswani et al. 2017) with one subword vocabulary and one embedding matrix for both languages,
    its vocabulary small, and its targets smoothed, as suits little data (Sennrich and Zhang 2019, "Revisiting
    Low-Resource Neural Machine Translation: A Case Study", ACL). Left to itself it would need far more steps to find
    out what translates what than a student of the same bitext, which starts from a word alignment; so it is given the
    same: :class:`SubwordTranslations` places its embeddings and guides its attention (Chen et al. 2016).

    With foreign sentence x, English subwords y_1 ... y_n that end in </s>, vocabulary V, label smoothing e, the mean
    attention a over the heads of the last layer and the alignment A, the loss of a batch is the mean over its English
    subwords of

        -(1 - e) log p(y_j | y_1 ... y_{j-1}, x) - e / |V| * sum over v in V of log p(v | y_1 ... y_{j-1}, x)

    plus w times the mean over those that are aligned of -sum over i of A_ji log a_ji, where w falls from 1 at the first
    step to 0 at the last.

    Of the checkpoints saved on the way, the one with the least loss on the pairs held back is the result. Its
    translations are lower-case: searching needs no more, and a small vocabulary goes further.

    The work in progress lies in ``OUTPUT.partial``; a run that was stopped goes on from there when it is called again
    with the same arguments, and gives the same translator as if it had not been stopped.

    Args:
        bitext: English and foreign sentences.
        output: folder for the translator; must not exist. :class:`optical.rivals.Translator` loads it, and
            ``optical.json`` in it says what made it and the chrF (Popovic 2015) on the pairs held back.
        steps: see :class:`TranslatorSettings`, as for all that follow.
        seed: of all that is drawn.
        held_back: pairs that are not trained on.
        **settings: the others.

    Raises:
        OpticalError: the output exists, a setting is impossible, there is too little bitext, or ``OUTPUT.partial``
            holds something else.
    """
    require_absent(output)
    require_package("sacrebleu", extra="study")
    chosen = TranslatorSettings(steps, seed, held_back, **settings)
    started = time.monotonic()
    training, development = bitext.split(held_back, seed)
    tokenizer = learn_subwords(training, chosen.vocabulary)
    training_rows, development_rows = (
        _encode(tokenizer, part, chosen.max_tokens) for part in (training, development)
    )
    if len(training_rows) < chosen.batch_size or not len(development_rows):
        raise OpticalError(
            f"Of {len(bitext)} sentence pairs, {len(training_rows)} for training and {len(development_rows)} held back "
            f"have at most {chosen.max_tokens} subwords a side; {chosen.batch_size} and 1 are the least. "
            "Give more bitext, raise max_tokens, or lower batch_size."
        )
    name = json.dumps(["translator", asdict(chosen), bitext.digest()], sort_keys=True)
    with work_folder(output, name, PartialState(cpu=not torch.accelerator.is_available())) as work:
        set_seed(seed)
        model = MarianMTModel(_architecture(tokenizer, chosen))
        # The other implementations do not say what the attention was.
        model.set_attn_implementation("eager")
        translations = SubwordTranslations(
            training_rows["input_ids"], training_rows["labels"], len(tokenizer)
        )
        with torch.no_grad():
            translations.initialise(model.get_input_embeddings().weight)
        trainer = _make_trainer(
            model, tokenizer, training_rows, development_rows, translations, chosen, work / "checkpoints"
        )
        trainer.train(resume_from_checkpoint=last_checkpoint(work / "checkpoints"))
        with create_folder(output) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            provenance = {
                "versions": versions(),
                "bitext": {"digest": bitext.digest(), "pairs": len(bitext), "dropped": bitext.dropped},
                "settings": asdict(chosen),
                "training_pairs": len(training_rows),
                "subwords": len(tokenizer),
                "parameters": model.num_parameters(),
                "best_step": trainer.state.best_global_step,
                "development": _measure(Translator(folder), development, development_rows["pair"]),
                "seconds": round(time.monotonic() - started, 1),
            }
            (folder / PROVENANCE_FILE).write_text(
                json.dumps(provenance, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )


def read_translator_provenance(folder: str | Path) -> dict[str, Any]:
    """Return what made a translator, and its chrF on the pairs held back.

    Raises:
        OpticalError: the folder holds no translator that :func:`train_translator` made.
    """
    path = Path(folder) / PROVENANCE_FILE
    if not path.is_file():
        raise OpticalError(
            f"{folder} has no {PROVENANCE_FILE}: it was not made by train_translator. Give a folder that was."
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


class _Trainer(Seq2SeqTrainer):
    """Takes the batches of the distillation, in an order that neither epochs nor interruptions change."""

    def __init__(self, translations: SubwordTranslations, smoothing: float, **named: Any) -> None:
        super().__init__(**named)
        self._translations = translations
        self._smoothing = smoothing

    def get_train_dataloader(self) -> Any:
        sampler = LengthBatchSampler(
            self.train_dataset, batch_size=self.args.train_batch_size, drop_last=False, seed=self.args.seed
        )
        rows = self.train_dataset.select_columns(["input_ids", "labels"])
        return self.accelerator.prepare(
            DataLoader(rows, batch_sampler=sampler, collate_fn=self.data_collator)
        )

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **named: Any
    ) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs, output_attentions=model.training)
        loss = cross_entropy(
            outputs.logits.float().flatten(0, 1), labels.flatten(), label_smoothing=self._smoothing
        )
        if model.training:
            weight = 1 - self.state.global_step / self.state.max_steps
            attention = outputs.cross_attentions[-1].mean(1)
            loss = loss + weight * self._translations.loss(inputs["input_ids"], labels, attention)
        return (loss, outputs) if return_outputs else loss


def _make_trainer(
    model: MarianMTModel,
    tokenizer: PreTrainedTokenizerFast,
    training: Dataset,
    development: Dataset,
    translations: SubwordTranslations,
    settings: TranslatorSettings,
    folder: Path,
) -> _Trainer:
    steps_between = min(_MOST_STEPS_BETWEEN_CHECKPOINTS, math.ceil(settings.steps / _LEAST_CHECKPOINTS))
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=0.1,
        # These two are Vaswani et al.'s.
        adam_beta2=0.98,
        adam_epsilon=1e-9,
        prediction_loss_only=True,
        use_cpu=not torch.accelerator.is_available(),
        bf16=settings.bfloat16,
        seed=settings.seed,
        eval_strategy="steps",
        eval_steps=steps_between,
        save_strategy="steps",
        save_steps=steps_between,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_steps=min(50, settings.steps),
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=False,
    )
    trainer = _Trainer(
        translations,
        settings.label_smoothing,
        model=model,
        args=arguments,
        train_dataset=training,
        eval_dataset=development,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _encode(tokenizer: PreTrainedTokenizerFast, bitext: Bitext, most: int) -> Dataset:
    """Return the pairs that are short enough, shortest first, with their numbers in ``bitext``."""
    foreign, english = (
        [encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch(side)]
        for side in (bitext.foreign, bitext.english)
    )
    lengths = [max(map(len, pair)) for pair in zip(foreign, english, strict=True)]
    short = sorted((pair for pair, length in enumerate(lengths) if length <= most), key=lengths.__getitem__)
    return Dataset.from_dict(
        {
            "pair": short,
            "input_ids": [foreign[pair] for pair in short],
            "labels": [english[pair] for pair in short],
            "length": [lengths[pair] for pair in short],
        }
    )


def _architecture(tokenizer: PreTrainedTokenizerFast, settings: TranslatorSettings) -> MarianConfig:
    return MarianConfig(
        vocab_size=len(tokenizer),
        d_model=settings.width,
        encoder_layers=settings.encoder_layers,
        decoder_layers=settings.decoder_layers,
        encoder_attention_heads=settings.heads,
        decoder_attention_heads=settings.heads,
        encoder_ffn_dim=4 * settings.width,
        decoder_ffn_dim=4 * settings.width,
        activation_function="relu",
        dropout=settings.dropout,
        max_position_embeddings=LONGEST_SENTENCE,
        scale_embedding=True,
        # The default of 0.02 is that of far wider models, and learns much more slowly here.
        init_std=settings.width**-0.5,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        forced_eos_token_id=None,
    )


def _measure(translator: Translator, bitext: Bitext, pairs: Sequence[int]) -> dict[str, Any]:
    """Return the chrF of the translations of the given pairs, letter case aside."""
    from sacrebleu.metrics import CHRF

    measure = CHRF(lowercase=True)
    translations = translator.translate([bitext.foreign[pair] for pair in pairs])
    score = measure.corpus_score(translations, [[bitext.english[pair] for pair in pairs]])
    return {"pairs": len(pairs), "chrf": round(score.score, 2), "signature": str(measure.get_signature())}
