"""A made-up language: every English word of the tiny teacher has one translation, in another order."""

import random

from optical.bitext import Bitext

from ..conftest import ENGLISH_WORDS

SYLLABLES = [consonant + vowel for consonant in "bdgjklmnprstwyz" for vowel in "aeiou"]
WORDS = ENGLISH_WORDS[20:80]


def lexicon() -> dict[str, str]:
    """One foreign word for each of 60 English ones; none is spelled like an English one."""
    generator = random.Random(1)
    taken: dict[str, str] = {}
    for english in WORDS:
        while english not in taken:
            foreign = "".join(generator.choices(SYLLABLES, k=3))
            if foreign not in taken.values() and foreign not in ENGLISH_WORDS:
                taken[english] = foreign
    return taken


def translate(sentence: str) -> str:
    return " ".join(lexicon().get(word, word) for word in sentence.split())


def made_up_bitext(pairs: int = 400, *, seed: int = 2) -> Bitext:
    """Sentences of 3 to 8 words in free order, some with a name that both languages spell alike."""
    generator = random.Random(seed)
    words = lexicon()
    english, foreign = [], []
    for _ in range(pairs):
        sentence = generator.choices(WORDS, k=generator.randint(3, 8))
        translated = [words[word] for word in generator.sample(sentence, len(sentence))]
        name = generator.choice(["kenya", "nairobi", "", "", ""])
        english.append(" ".join([*sentence, name]).strip())
        foreign.append(" ".join([name, *translated]).strip())
    return Bitext(english=english, foreign=foreign)
