"""Words of any script."""

import unicodedata

_PARTS_OF_WORDS = ("L", "M", "N")  # letters, marks (vowel signs among them) and numbers
_INVISIBLE = "Cf"  # joiners inside words, which some writers leave out


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: its longest runs of letters, marks and numbers.

    Composed and decomposed letters are one (Unicode's form C), as are Turkish i's with and without a combining dot. In
    scripts that do not separate words a whole phrase is one.
    """
    lower = unicodedata.normalize("NFC", text.lower().replace("i\u0307", "i"))
    visible = (letter for letter in lower if unicodedata.category(letter) != _INVISIBLE)
    return "".join(
        letter if unicodedata.category(letter).startswith(_PARTS_OF_WORDS) else " " for letter in visible
    ).split()
