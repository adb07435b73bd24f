"""Sentence pairs of several files, for benchmarks that divide them into training pairs and held-back ones."""

import random
from pathlib import Path

from optical.bitext import Bitext, read_bitext

Pairs = list[tuple[str, str]]
"""English sentences and their translations."""


def read(files: list[Path]) -> Pairs:
    """Return all pairs in an order of their own, the same every time."""
    bitext = read_bitext(files)
    pairs = list(zip(bitext.english, bitext.foreign, strict=True))
    random.Random(0).shuffle(pairs)
    return pairs


def as_bitext(pairs: Pairs) -> Bitext:
    """Return pairs as what students are made of."""
    return Bitext([english for english, _ in pairs], [foreign for _, foreign in pairs])
