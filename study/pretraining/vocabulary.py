"""The vocabulary of the encoder: a unigram model (Kudo 2018, arXiv 1804.10959) of text that repeats small languages."""

import itertools
import math
from collections.abc import Iterator

from gathering import Text
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

WINDOW = 128  # tokens; queries are shorter
SMOOTHING = 0.3
"""Share of a language in the text of the vocabulary: its number of texts to the power of this (Conneau et al. 2020)."""
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def learn_vocabulary(texts: dict[str, Text], size: int) -> PreTrainedTokenizerFast:
    """Learn a tokenizer of ``size`` tokens that makes text lower-case and NFKC, and keeps accents."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(behavior="isolated")]
    )
    backend.decoder = decoders.Metaspace()
    learner = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
    )
    backend.train_from_iterator(smoothed(texts), learner)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=WINDOW,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def smoothed(texts: dict[str, Text]) -> Iterator[str]:
    """Yield as many texts as there are, from each language by its share raised to a power, in turn."""
    shares = {language: len(text.training) ** SMOOTHING for language, text in texts.items()}
    whole = sum(len(text.training) for text in texts.values())
    for language, text in texts.items():
        count = math.ceil(whole * shares[language] / sum(shares.values()))
        yield from itertools.islice(itertools.cycle(text.training), count)
