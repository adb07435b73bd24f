"""A language made up of one word for each English one, in an order of its own."""

import random
from pathlib import Path

from ..conftest import ENGLISH_WORDS

_WORDS = list(dict.fromkeys(ENGLISH_WORDS))
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


def _dictionary() -> dict[str, str]:
    generator = random.Random(0)
    foreign: dict[str, None] = {}
    while len(foreign) < len(_WORDS):
        foreign["".join(generator.choices(_SYLLABLES, k=3))] = None
    return dict(zip(_WORDS, foreign, strict=True))


DICTIONARY = _dictionary()


def make_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return (English, foreign) sentences of 3 to 10 words, no two of the same words."""
    generator = random.Random(seed)
    pairs: dict[tuple[str, ...], tuple[str, str]] = {}
    while len(pairs) < count:
        words = generator.choices(_WORDS, k=generator.randint(3, 10))
        foreign = [DICTIONARY[word] for word in words]
        generator.shuffle(foreign)
        pairs[tuple(sorted(words))] = " ".join(words), " ".join(foreign)
    return list(pairs.values())


def write_bitext(path: Path, count: int = 300, seed: int = 0) -> Path:
    path.write_text("".join(f"{english}\t{foreign}\n" for english, foreign in make_pairs(count, seed)))
    return path
