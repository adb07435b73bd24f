"""Pre-train a small multilingual encoder by masked language modelling, on deliberately unbalanced text.

    python study/pretraining/pretrain.py --data DATA --output pretrained

The encoder has the shape of BERT (Devlin et al. 2019, arXiv 1810.04805); its vocabulary is a unigram model (Kudo 2018,
arXiv 1804.10959) of text in which small languages are repeated (Conneau et al. 2020, arXiv 1911.02116). OUTPUT is a
checkpoint that `optical distill --student OUTPUT` takes; `pretraining.json` in it says what was read and how well each
language is modelled. The work in progress lies in OUTPUT.partial; the same command goes on from there.
"""

import argparse
import contextlib
import functools
import hashlib
import itertools
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from gathering import Declared, Text, digest, gather, load, read_declared, save, sources
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.modeling_outputs import MaskedLMOutput
from vocabulary import SMOOTHING, WINDOW, learn_vocabulary

from optical.distillation.run import work_folder
from optical.distillation.trainer import last_checkpoint
from optical.encoders import versions
from optical.errors import OpticalError
from optical.files import create_folder, folder_once, require_absent

HEAD_WIDTH = 32
MASKED = 0.15
IGNORED = -100  # the label of a token that is not masked


def main() -> None:
    """Run the recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder that the files named in TEXT are relative to")
    add("--output", type=Path, required=True, help="folder to write; must not exist")
    add("--text", type=Path, default=Path(__file__).with_name("text.toml"), help="what is to be read")
    add("--vocabulary", type=int, default=32_000, help="tokens")
    add("--layers", type=int, default=6)
    add("--width", type=int, default=384, help=f"of a token's vector, a multiple of {HEAD_WIDTH}")
    add("--steps", type=int, default=20_000)
    add("--batch-size", type=int, default=128, help=f"windows of {WINDOW} tokens a step")
    add("--learning-rate", type=float, default=5e-4, help="at its peak")
    add("--held-back", type=int, default=500, help="texts of a language to measure with, a tenth at most")
    add("--save-every", type=int, default=500, help="steps from one checkpoint to the next")
    add("--seed", type=int, default=0)
    add("--prepare-only", action="store_true", help="stop when text, vocabulary and tokens are there")
    arguments = parser.parse_args()
    if arguments.width % HEAD_WIDTH:
        parser.error(f"--width {arguments.width} is no multiple of {HEAD_WIDTH}.")
    try:
        pretrain(arguments)
    except OpticalError as error:
        parser.error(str(error))


@dataclass(frozen=True)
class Prepared:
    """What training starts from.

    Attributes:
        tokenizer: with the vocabulary learned.
        training: windows of each language; see :func:`windows`.
        held_back: likewise.
        described: what is to be said of the text of each language.
        digest: of all text.
    """

    tokenizer: PreTrainedTokenizerFast
    training: dict[str, list[dict[str, list[int]]]]
    held_back: dict[str, list[dict[str, list[int]]]]
    described: dict[str, dict[str, int]]
    digest: str


class _StoppedError(Exception):
    """Leaves the work in progress where it is."""


def pretrain(arguments: argparse.Namespace) -> None:
    """Gather text, learn the vocabulary, train, measure and save, as far as it is not done.

    Raises:
        OpticalError: a file is missing or malformed, or the output or another run's work is in the way.
    """
    require_absent(arguments.output)
    settings = {
        name: value
        for name, value in vars(arguments).items()
        if name not in ("data", "output", "text", "save_every", "prepare_only")
    }
    declared = read_declared(arguments.text)
    content = json.dumps([settings, vars(declared), sources(declared, arguments.data)])
    run = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    state = PartialState(cpu=not torch.accelerator.is_available())
    with contextlib.suppress(_StoppedError), work_folder(arguments.output, run, state) as work:
        with state.main_process_first():
            prepared = prepare(declared, arguments, work)
        if arguments.prepare_only:
            print(f"Prepared in {work}. The same command without --prepare-only goes on from there.")
            raise _StoppedError
        tokenizer = prepared.tokenizer
        training = list(itertools.chain(*prepared.training.values()))
        trainer = make_trainer(tokenizer, training, arguments, work)
        trainer.train(resume_from_checkpoint=last_checkpoint(work / "checkpoints"))
        made_from = {
            "settings": settings,
            "text": {"digest": prepared.digest, "masked": MASKED, "smoothing": SMOOTHING},
            "languages": {
                language: {
                    **described,
                    "loss": trainer.evaluate(prepared.held_back[language])["eval_loss"],
                }
                for language, described in prepared.described.items()
            },
            "versions": versions("tokenizers"),
        }
        if state.is_main_process:
            with create_folder(arguments.output) as folder:
                # Saved as the class that others know by its name.
                model = trainer.accelerator.unwrap_model(trainer.model)
                whole = BertForMaskedLM(model.config)
                whole.load_state_dict(model.state_dict())
                whole.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
                (folder / "pretraining.json").write_text(
                    json.dumps(made_from, indent=1) + "\n", encoding="utf-8"
                )
        print(f"Saved to {arguments.output}.")


def prepare(declared: Declared, arguments: argparse.Namespace, work: Path) -> Prepared:
    """Gather text, learn the vocabulary and divide the text into tokens, as far as it is not done.

    Raises:
        OpticalError: as :func:`gather`.
    """
    gathered = folder_once(
        work / "text",
        lambda folder: save(gather(declared, arguments.data, arguments.held_back, arguments.seed), folder),
    )
    texts = functools.cache(lambda: load(gathered, declared.texts))
    vocabulary = folder_once(
        work / "vocabulary",
        lambda folder: learn_vocabulary(texts(), arguments.vocabulary).save_pretrained(folder),
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(vocabulary)
    folder = folder_once(work / "tokens", lambda folder: write_tokens(tokenizer, texts(), folder))
    described = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    training, held_back = (
        {
            language: windows(tokenizer, np.load(folder / f"{language}.{part}.npy"))
            for language in declared.texts
        }
        for part in ("training", "held_back")
    )
    for language, text in described["languages"].items():
        print(f"{language}: {text['texts']} of {text['there']} texts, {text['tokens']} tokens")
    return Prepared(tokenizer, training, held_back, described["languages"], described["digest"])


def write_tokens(tokenizer: PreTrainedTokenizerFast, texts: dict[str, Text], folder: Path) -> None:
    """Write the tokens of all text into ``folder``, and what is to be said of it."""
    languages = {}
    for language, text in texts.items():
        stream = token_stream(tokenizer, text.training)
        np.save(folder / f"{language}.training.npy", stream)
        np.save(folder / f"{language}.held_back.npy", token_stream(tokenizer, text.held_back))
        languages[language] = {
            "texts": len(text.training),
            "there": text.there,
            "near_copies_left_out": text.near_copies,
            "tokens": len(stream),
            "held_back": len(text.held_back),
        }
    described = json.dumps({"digest": digest(texts), "languages": languages})
    (folder / "text.json").write_text(described, encoding="utf-8")


def token_stream(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> NDArray[np.int32]:
    """Return the tokens of texts of one language, one after another with [SEP] between them."""
    encoded = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    separated = (token for text in encoded for token in [*text, tokenizer.sep_token_id])
    return np.fromiter(separated, np.int32)[:-1]


def windows(tokenizer: PreTrainedTokenizerFast, stream: NDArray[np.int32]) -> list[dict[str, list[int]]]:
    """Return a stream of tokens in pieces of WINDOW tokens, with those that begin and end them."""
    begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    size = WINDOW - 2
    return [
        {"input_ids": [begin, *stream[start : start + size].tolist(), end]}
        for start in range(0, len(stream), size)
    ]


class MaskedTokensModel(BertForMaskedLM):
    """Predicts the masked tokens only: the others have no part in the loss, and the vocabulary is the widest layer."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> MaskedLMOutput:  # type: ignore[override]
        """Return the loss of BertForMaskedLM, the mean over masked tokens of -log p of what stood there, in nats.

        Args:
            input_ids: (windows, tokens).
            attention_mask: likewise.
            labels: likewise; IGNORED where no token is masked. With none masked at all the loss is nan.

        Returns:
            loss: (), and logits: (masked tokens, vocabulary).
        """
        masked = labels != IGNORED
        logits = self.cls(self.bert(input_ids, attention_mask=attention_mask).last_hidden_state[masked])
        return MaskedLMOutput(loss=cross_entropy(logits, labels[masked]), logits=logits)


class Masking(DataCollatorForLanguageModeling):
    """Masks a batch by what is in it: a run that was stopped goes on as if it had not been, measuring repeats."""

    def __call__(self, features: list[dict[str, list[int]]], return_tensors: str | None = None) -> Any:
        """Return the batch with labels."""
        content = json.dumps([window["input_ids"] for window in features])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(content.encode()))
            return super().__call__(features, return_tensors)


def make_trainer(
    tokenizer: PreTrainedTokenizerFast,
    training: list[dict[str, list[int]]],
    arguments: argparse.Namespace,
    work: Path,
) -> Trainer:
    """Make the trainer of an encoder that has learned nothing yet."""
    set_seed(arguments.seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=arguments.width,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.width // HEAD_WIDTH,
        intermediate_size=4 * arguments.width,
        max_position_embeddings=WINDOW,
        pad_token_id=tokenizer.pad_token_id,
    )
    more: dict[str, Any] = {
        "save_strategy": "steps",
        "save_steps": arguments.save_every,
        "save_total_limit": 2,
    }
    return Trainer(
        model=MaskedTokensModel(config),
        args=TrainingArguments(
            output_dir=str(work / "checkpoints"),
            max_steps=arguments.steps,
            per_device_train_batch_size=arguments.batch_size,
            per_device_eval_batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            warmup_steps=0.05,
            weight_decay=0.01,
            adam_beta2=0.98,
            bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
            use_cpu=not torch.accelerator.is_available(),
            seed=arguments.seed,
            logging_steps=max(1, min(100, arguments.steps // 10)),
            prediction_loss_only=True,
            dataloader_pin_memory=False,
            report_to="none",
            **more,
        ),
        train_dataset=training,
        data_collator=Masking(tokenizer, mlm_probability=MASKED),
    )


if __name__ == "__main__":
    main()
