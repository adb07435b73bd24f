"""Tokenizers of each model of subwords, trained on made-up English as those of well-known encoders are built."""

import random
from collections.abc import Sequence

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from ..conftest import ENGLISH_WORDS

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def english_sentences(number: int = 400, *, seed: int = 4) -> list[str]:
    """Free word order, capitals, punctuation, digits, accents and names."""
    generator = random.Random(seed)
    words = [*ENGLISH_WORDS, "café", "Zürich", "1984", "unhappily", "(rivers)", "O'Neill"]
    return [
        " ".join(generator.choices(words, k=9)).capitalize() + generator.choice("?.!") for _ in range(number)
    ]


def unigram() -> PreTrainedTokenizerFast:
    """As XLM-R: <mask> has the last id, behind the pieces."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        english_sentences(),
        trainers.UnigramTrainer(
            vocab_size=200, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        ),
    )
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return _finish(tokenizer)


def byte_level() -> PreTrainedTokenizerFast:
    """As RoBERTa and ModernBERT."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _train_bpe(tokenizer, initial_alphabet=sorted(alphabet))


def metaspace() -> PreTrainedTokenizerFast:
    """BPE without bytes: a letter that was not seen is unknown."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _train_bpe(tokenizer)


def whole_sentences() -> PreTrainedTokenizerFast:
    """As Llama and Gemma: spaces are spelled, but nothing is split at them, and bytes stand for unknown letters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # of the trainer only
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made = _train_bpe(tokenizer, [f"<0x{byte:02X}>" for byte in range(256)])
    backend = made.backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.pre_tokenizer = None
    return _finish(backend)


def end_of_word() -> PreTrainedTokenizerFast:
    """As CLIP and XLM: the end of a word is spelled, not its beginning."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    return _train_bpe(tokenizer, end_of_word_suffix="</w>")


def _train_bpe(tokenizer: Tokenizer, more: Sequence[str] = (), **settings: object) -> PreTrainedTokenizerFast:
    special = [*SPECIAL, *more, "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + 400, special_tokens=special, show_progress=False, **settings
    )
    tokenizer.train_from_iterator(english_sentences(), trainer)
    return _finish(tokenizer)


def _finish(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    )


ALL = {
    "unigram": unigram,
    "byte-level": byte_level,
    "metaspace": metaspace,
    "whole sentences": whole_sentences,
    "end of word": end_of_word,
}
