"""What kinds of characters texts have: seen of many texts at once, since one by one takes ten times as long."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import compress

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.unsignedinteger]
"""(n,) code points."""

UNPRINTABLE = 2
COMPOSABLE = 4
"""At or above U+0300: text without any is in Unicode's form C."""
DIGIT = 8
AMPERSAND = 16
DEBRIS = 32
"""Left behind by pages and programs, or part of what is."""
OUTSIDE_LATIN = 64

_SEEN = 1
_LINE_FEED = ord("\n")
_DEBRIS = "<\u00c3\u00c2\u00e2\ufffd"
_OUTSIDE_LATIN = re.compile(r"[^\x00-\u02af\u0300-\u036f\u1e00-\u1eff\u2000-\u206f\u20a0-\u20cf]")


class CharacterTable:
    """A number other than 0 for each character, worked out when one first turns up."""

    def __init__(self, number: Callable[[str], int], dtype: type[np.unsignedinteger]) -> None:
        self._number = number
        self._numbers = np.zeros(sys.maxunicode + 1, dtype)  # takes memory where it is used only

    def __call__(self, codes: Codes) -> npt.NDArray[np.unsignedinteger]:
        """Return the numbers (n,) of ``codes`` (n,)."""
        numbers = self._numbers[codes]
        if not numbers.all():
            for code in np.unique(codes[numbers == 0]).tolist():
                self._numbers[code] = self._number(chr(code))
            numbers = self._numbers[codes]
        return numbers


def codes_of(text: str) -> Codes:
    """Return the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def text_of(codes: Codes) -> str:
    """Return the text of code points."""
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


class Lines:
    """Texts without line feeds, one or more, as the lines of one.

    Attributes:
        text: the texts with line feeds between them.
        codes: (characters,) its code points, and a last line feed; uint8 if all is ASCII.
        starts: (n,) where each text begins in ``codes``.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.text = "\n".join(texts)
        ended = self.text + "\n"
        self.codes: Codes = np.frombuffer(ended.encode(), np.uint8) if ended.isascii() else codes_of(ended)
        self.starts = np.concatenate(([0], np.flatnonzero(self.codes == _LINE_FEED)[:-1] + 1))

    @cached_property
    def _kinds(self) -> npt.NDArray[np.unsignedinteger]:
        if self.codes.dtype == np.uint8:
            return np.frombuffer(self.codes.tobytes().translate(_KINDS_OF_ASCII), np.uint8)
        return _KINDS(self.codes)

    @cached_property
    def _kinds_of_texts(self) -> npt.NDArray[np.unsignedinteger]:
        return np.bitwise_or.reduceat(self._kinds, self.starts)

    def have(self, kinds: int) -> npt.NDArray[np.bool_]:
        """Return (n,) whether a text has a character of one of ``kinds``: UNPRINTABLE, DIGIT or a sum of such."""
        return np.asarray(self._kinds_of_texts & np.uint8(kinds) != 0)

    def only(self, kinds: int) -> list[str]:
        """Return of each text the characters of ``kinds`` in a row."""
        wanted = (self._kinds & np.uint8(kinds) != 0) | (self.codes == _LINE_FEED)
        return text_of(self.codes[wanted]).split("\n")[:-1]

    def rows_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return which texts the characters at ``places`` (m,) stand in."""
        return np.searchsorted(self.starts, places, side="right") - 1


def ascii_apart(texts: Sequence[str]) -> Iterator[tuple[npt.NDArray[np.int64], Lines]]:
    """Yield the texts in ASCII and then the others, if there are any, as lines and with their places in ``texts``.

    Lines in ASCII only are looked at in a fraction of the time, and so is most English.
    """
    plain = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
    for chosen in (plain, ~plain):
        if chosen.any():
            yield np.flatnonzero(chosen), Lines(list(compress(texts, chosen.tolist())))


def _kinds_of(character: str) -> int:
    if character == "\n":
        return _SEEN
    kinds = {
        UNPRINTABLE: not character.isprintable(),
        COMPOSABLE: character >= "\u0300",
        DIGIT: character.isdecimal(),
        AMPERSAND: character == "&",
        DEBRIS: character in _DEBRIS or not character.isprintable(),
        OUTSIDE_LATIN: _OUTSIDE_LATIN.match(character) is not None,
    }
    return _SEEN + sum(kind for kind, is_so in kinds.items() if is_so)


_KINDS = CharacterTable(_kinds_of, np.uint8)
# bytes.translate() wants 256 of them.
_KINDS_OF_ASCII = bytes(_kinds_of(chr(code)) for code in range(128)).ljust(256)
