"""Words of any script."""

import unicodedata

SCRIPTS_WITHOUT_SPACES = ("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "CJK", "HIRAGANA", "KATAKANA")
"""What the Unicode names of letters begin with in scripts that do not mark every word."""

_PARTS_OF_WORDS = ("L", "M", "N")  # letters, marks (vowel signs among them) and numbers
_INVISIBLE = "Cf"  # joiners inside words, which some writers leave out


class _Letters(dict[int, str | None]):
    """What ``str.translate`` makes of each character, looked up once: itself, nothing or a space."""

    def __missing__(self, code: int) -> str | None:
        letter = chr(code)
        category = unicodedata.category(letter)
        kept = letter if category.startswith(_PARTS_OF_WORDS) else " "
        self[code] = None if category == _INVISIBLE else kept
        return self[code]


_LETTERS = _Letters()
_COMMON_MARKS = ".,!?\"():;-'"


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: its longest runs of letters, marks and numbers.

    Composed and decomposed letters are one (Unicode's form C), as are Turkish i's with and without a combining dot. In
    scripts that do not separate words a whole phrase is one.
    """
    lower = text.lower()
    if lower.isascii():
        return lower.translate(_LETTERS).split()
    lower = unicodedata.normalize("NFC", lower.replace("i\u0307", "i"))
    # Looking up letters beyond ASCII one by one takes most of the time, and is needed only for rarer signs than these.
    for mark in _COMMON_MARKS:
        lower = lower.replace(mark, " ")
    found = lower.split()
    if "".join(found).isalnum():
        return found
    return lower.translate(_LETTERS).split()
