"""Pairs whose foreign side is no translation but a copy."""

from optical.bitext.hygiene.rules import Sides

_FEWEST_WORDS = 5
_SHARED = 0.8


def is_untranslated(sides: Sides) -> bool:
    """Say whether both sides are the same words in the same order."""
    return sides.english_letters == sides.foreign_letters


def is_hardly_translated(sides: Sides) -> bool:
    """Say whether at least 80 % of the foreign side's different words, of 5 or more, stand in the English side."""
    if len(sides.foreign_words) < _FEWEST_WORDS:
        return False
    foreign = set(sides.foreign_words)
    return len(foreign) >= _FEWEST_WORDS and len(foreign.intersection(sides.english_words)) >= _SHARED * len(
        foreign
    )
