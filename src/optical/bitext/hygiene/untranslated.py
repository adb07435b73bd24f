"""Pairs whose foreign side is no translation but a copy."""

_FEWEST_WORDS = 5
_SHARED = 0.8


def is_hardly_translated(english: str, foreign_words: list[str]) -> bool:
    """Say whether at least 80 % of the foreign side's words, of 5 or more, stand in the English side.

    Args:
        english: words with spaces between them.
    """
    if len(foreign_words) < _FEWEST_WORDS:
        return False
    # A fifth may be missing, so more than that of any two fifths and one more must stand there, if only within words.
    fifth = len(foreign_words) // 5
    if sum(map(english.__contains__, foreign_words[: 2 * fifth + 1])) <= fifth:
        return False
    return sum(map(set(english.split()).__contains__, foreign_words)) >= _SHARED * len(foreign_words)
