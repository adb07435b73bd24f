"""Pairs whose foreign side is no translation but a copy."""

from optical.bitext.hygiene.rules import Sides

_FEWEST_WORDS = 5
_SHARED = 0.8


def is_untranslated(sides: Sides) -> bool:
    """Say whether both sides are the same words in the same order."""
    return sides.english_letters == sides.foreign_letters


def is_hardly_translated(sides: Sides) -> bool:
    """Say whether at least 80 % of the foreign side's words, of 5 or more, stand in the English side."""
    foreign, english = sides.foreign_words, sides.english_words
    # No more than a fifth may be missing there, so one of any fifth and one more must stand there.
    few = len(foreign) // 5 + 1
    if len(foreign) < _FEWEST_WORDS or not any(map(english.__contains__, foreign[:few])):
        return False
    return sum(map(set(english).__contains__, foreign)) >= _SHARED * len(foreign)
