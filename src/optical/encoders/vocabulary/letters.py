"""The words and characters of a new language, as models that spell words from merged letters see them."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, pre_tokenizers

from optical.encoders.vocabulary.backend import normalise


def is_byte_level(state: dict[str, Any]) -> bool:
    """Say whether a tokenizer file writes bytes as letters (GPT-2, RoBERTa, ModernBERT)."""
    splitter = state["pre_tokenizer"] or {"type": None}
    return any(each["type"] == "ByteLevel" for each in splitter.get("pretokenizers", [splitter]))


def count_characters(backend: Tokenizer, texts: Sequence[str]) -> Counter[str]:
    """Count the characters that are no space."""
    counts = Counter(letter for text in texts for letter in normalise(backend, text))
    return Counter({letter: count for letter, count in counts.items() if not letter.isspace()})


def count_letter_runs(backend: Tokenizer, texts: Sequence[str], *, byte_level: bool) -> Counter[str]:
    """Count the runs of letters and marks, each with the mark of a space before it, as the model spells them.

    A tokenizer of SentencePiece leaves punctuation with the word; pieces of both would be of little use.
    """
    runs = pre_tokenizers.Split(Regex(r"[▁ ]?[\p{L}\p{M}]+"), "isolated")
    own = backend.pre_tokenizer
    # Bytes are written as letters and signs of all kinds, so runs have to be told apart before.
    steps = [runs, own] if byte_level else [own, runs]
    splitter = pre_tokenizers.Sequence([step for step in steps if step is not None])
    counts: Counter[str] = Counter()
    for text in texts:
        normal = normalise(backend, text)
        for run, (_, end) in splitter.pre_tokenize_str(normal):
            if end > 0 and unicodedata.category(normal[end - 1])[0] in "LM":
                counts[run] += 1
    return counts


def split_counts(backend: Tokenizer, counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    """Return the tokens that the model makes of each run or character, and how often it occurs."""
    split: Counter[tuple[str, ...]] = Counter()
    for run, count in counts.items():
        split[tuple(token.value for token in backend.model.tokenize(run))] += count
    return dict(split)
