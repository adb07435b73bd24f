"""Invented bitext: two made-up languages with a known dictionary, words as frequent as Zipf's law has them."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

Pairs = list[tuple[str, str]]


@pytest.fixture
def invented() -> Callable[..., Pairs]:
    def make(pairs: int, seed: int = 0) -> Pairs:
        generator = random.Random(seed)

        # Of two syllables or more: none is by chance one of the little words that tell English.
        def word(vowels: str) -> str:
            return "".join(
                generator.choice("bcdfghjklmnprstvwz") + generator.choice(vowels)
                for _ in range(generator.randint(2, 4))
            )

        dictionary = [(word("aeiou"), word("aeioụ")) for _ in range(600)]
        frequency = [1 / (rank + 3) for rank in range(600)]
        made = []
        for _ in range(pairs):
            chosen = generator.choices(dictionary, frequency, k=generator.randint(4, 24))
            english = " ".join(english for english, _ in chosen)
            foreign = " ".join(foreign for _, foreign in generator.sample(chosen, len(chosen)))
            made.append((english.capitalize() + ".", foreign.capitalize() + "."))
        return made

    return make


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(pairs: Pairs, name: str = "raw.tsv") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{english}\t{foreign}\n" for english, foreign in pairs), encoding="utf-8")
        return path

    return write
