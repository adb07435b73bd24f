"""How well an encoder's tokenizer covers a language, and what to do about it."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from optical.bitext.words import words
from optical.errors import OpticalError
from optical.models import bundled_folder

MOST_UNKNOWN = 0.05
"""From this share of unknown tokens on, the vocabulary lacks the script: transplant."""
MOST_SINGLE_CHARACTERS = 0.5
"""From this share of single characters among the pieces on, it spells instead of reading: transplant."""
MOST_RELATIVE_FERTILITY = 1.5
"""Up to this many times the English tokens a character, the encoder can be used as it is; beyond it, extend it."""

_BATCH = 1000

Verdict = Literal["use this encoder", "extend its vocabulary (graft)", "transplant a new vocabulary"]


@dataclass(frozen=True)
class Coverage:
    """What a tokenizer makes of text.

    Attributes:
        words: number of words, the longest runs of letters, marks and numbers.
        characters: number of characters other than spaces.
        tokens: number of tokens, special ones aside.
        unknown: those of them that stand for text the vocabulary has no pieces for.
        single: those that are a single letter or digit (a letter's own marks do not count; Chinese characters are
            words in themselves and do not count either).
    """

    words: int
    characters: int
    tokens: int
    unknown: int
    single: int

    @property
    def unknown_rate(self) -> float:
        """Share of tokens that are unknown."""
        return self.unknown / max(1, self.tokens)

    @property
    def fertility(self) -> float:
        """Tokens for one word; says little of scripts that write words without spaces."""
        return self.tokens / max(1, self.words)

    @property
    def tokens_per_character(self) -> float:
        """Tokens for one character."""
        return self.tokens / max(1, self.characters)

    @property
    def single_rate(self) -> float:
        """Share of tokens that are a single character."""
        return self.single / max(1, self.tokens)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of an encoder or a tokenizer alone, by Hub id, folder or name of a bundled one.

    Raises:
        OpticalError: there is none, or it cannot be loaded.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(bundled_folder(name) or name)
    except (OSError, ValueError) as error:
        raise OpticalError(
            f"No tokenizer can be loaded from {name} ({str(error).splitlines()[0]}). Check the Hub id or the folder; "
            "it needs a tokenizer.json."
        ) from error
    return tokenizer


def measure_coverage(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Coverage:
    """Count what ``tokenizer`` makes of ``texts``.

    Raises:
        OpticalError: the tokenizer does not tell where its tokens stand in the text, or there is no text.
    """
    return measure_columns(tokenizer, ((text,) for text in texts), 1)[0]


def measure_columns(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[tuple[str, ...]], columns: int
) -> list[Coverage]:
    """Count what ``tokenizer`` makes of the texts of each column, going through the rows of ``columns`` texts once.

    Raises:
        OpticalError: as :func:`measure_coverage`.
    """
    if not tokenizer.is_fast:
        raise OpticalError(
            f"The tokenizer {type(tokenizer).__name__} does not tell where in the text its tokens are. Choose an "
            "encoder with a fast tokenizer (tokenizer.json)."
        )
    counts = [[0] * 5 for _ in range(columns)]
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        for texts, own in zip(zip(*batch, strict=True), counts, strict=True):
            _count(tokenizer, list(texts), own)
    coverages = [Coverage(*own) for own in counts]
    if not all(coverage.tokens for coverage in coverages):
        raise OpticalError(
            "There is no text to measure the tokenizer on. Give bitext with words on both sides."
        )
    return coverages


def _count(tokenizer: PreTrainedTokenizerBase, texts: list[str], counts: list[int]) -> None:
    encodings = tokenizer(
        texts, add_special_tokens=False, padding=False, truncation=False, verbose=False
    ).encodings
    unknown = tokenizer.unk_token_id
    for text, encoding in zip(texts, encodings, strict=True):
        counts[0] += len(words(text))
        counts[1] += len(text) - text.count(" ")
        # Several tokens of one character are its bytes: it counts as one that is spelled out, several times.
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            counts[2] += 1
            if unknown is not None and token == unknown:
                counts[3] += 1
            elif _is_single(text[start:end].strip()):
                counts[4] += 1


def _is_single(piece: str) -> bool:
    if not piece or not piece[0].isalnum() or any(unicodedata.category(sign)[0] != "M" for sign in piece[1:]):
        return False
    return not unicodedata.name(piece[0], "").startswith("CJK")


def verdict(foreign: Coverage, english: Coverage) -> Verdict:
    """Return what to do with an encoder whose tokenizer covers the two sides of bitext so.

    - "transplant a new vocabulary" if 5 % of the foreign tokens are unknown or half are single characters: hardly any
      of the old vocabulary would be used;
    - "extend its vocabulary (graft)" if the foreign side takes more than 1.5 times the English tokens per character:
      words fall into pieces that mean nothing;
    - "use this encoder" otherwise.

    Per character, not per word, since languages differ in what they write as one word. The thresholds are ours; they
    divide MiniLM's English tokenizer on Amharic, Yoruba and English into the three as one would by eye.
    """
    if foreign.unknown_rate >= MOST_UNKNOWN or foreign.single_rate >= MOST_SINGLE_CHARACTERS:
        return "transplant a new vocabulary"
    if foreign.tokens_per_character > MOST_RELATIVE_FERTILITY * english.tokens_per_character:
        return "extend its vocabulary (graft)"
    return "use this encoder"
