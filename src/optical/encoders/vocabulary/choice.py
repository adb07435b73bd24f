"""Which words and pieces of a new language are worth a token of their own."""

import unicodedata
from collections import Counter

LEAST_WORD_COUNT = 3
LEAST_PIECE_COUNT = 3
LEAST_PIECE_LETTERS = 3
LEARNED_PIECES = 16_000


def frequent(counts: Counter[str]) -> list[str]:
    """Return the words seen at least ``LEAST_WORD_COUNT`` times, the most frequent first."""
    return [word for word, count in counts.most_common() if count >= LEAST_WORD_COUNT]


def is_harmless(piece: str) -> bool:
    """Say whether a piece leaves alone the names that the old vocabulary spells.

    Pieces of fewer than ``LEAST_PIECE_LETTERS`` letters would break them up. In other scripts than Latin there are
    no such names.
    """
    return len(piece) >= LEAST_PIECE_LETTERS or not any(
        unicodedata.name(letter, "").startswith(("LATIN", "DIGIT")) for letter in piece
    )
