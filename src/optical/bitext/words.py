"""Words of any script."""

import unicodedata

_PARTS_OF_WORDS = ("L", "M", "N")  # letters, marks (vowel signs among them) and numbers


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: its longest runs of letters, marks and numbers.

    In scripts that do not separate words a whole phrase is one.
    """
    return "".join(
        letter if unicodedata.category(letter).startswith(_PARTS_OF_WORDS) else " " for letter in text.lower()
    ).split()
