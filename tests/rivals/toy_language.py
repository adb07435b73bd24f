"""A language with one word for each English one, in the same order: learned in seconds."""

import random

from optical.bitext import Bitext

from ..encoders.languages import WORDS, lexicon

_ENGLISH = WORDS[:12]
_LEXICON = lexicon()


def to_toy(sentence: str) -> str:
    return " ".join(_LEXICON[word] for word in sentence.split())


def toy_bitext(pairs: int = 400, *, seed: int = 0) -> Bitext:
    """Different sentences of 2 to 4 words."""
    generator = random.Random(seed)
    english: dict[str, None] = {}
    while len(english) < pairs:
        english[" ".join(generator.choices(_ENGLISH, k=generator.randint(2, 4)))] = None
    return Bitext(list(english), [to_toy(sentence) for sentence in english])
