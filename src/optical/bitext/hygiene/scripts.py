"""Scripts of texts, by Unicode's character names."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

NONE = 0
LATIN = 1
SECOND = 256

_ACCEPTED_SHARE = 0.1
_OUTSIDE_LATIN = re.compile(r"[^\x00-\u02af\u0300-\u036f\u1e00-\u1eff\u2000-\u206f\u20a0-\u20cf]")
# One writing system under several names.
_SAME = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "HALFWIDTH": "CJK"}


class _Scripts(dict[int, str | None]):
    """Maps letters to one character for each script, and drops all else; scripts are numbered as they turn up."""

    def __init__(self) -> None:
        super().__init__()
        self.names = ["none", "LATIN"]

    def __missing__(self, code: int) -> str | None:
        letter = chr(code)
        if unicodedata.category(letter) not in ("Lu", "Ll", "Lt", "Lo"):
            self[code] = None
        else:
            self[code] = chr(self.number(unicodedata.name(letter, "UNKNOWN").split()[0]))
        return self[code]

    def number(self, name: str) -> int:
        name = _SAME.get(name, name)
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


_SCRIPTS = _Scripts()


def script(text: str) -> int:
    """Return the number of the script of most letters of ``text``; ``NONE`` without a letter.

    Japanese kana and Chinese characters count as one script.
    """
    return scripts(text) % SECOND


def scripts(text: str) -> int:
    """Return the script of most letters, and ``SECOND`` times the next one if it has a tenth of the letters.

    ``text`` consists of letters, marks and digits.
    """
    if text.isascii() or _OUTSIDE_LATIN.search(text) is None:
        return NONE if not text or text.isnumeric() else LATIN
    letters = text.translate(_SCRIPTS)
    if not letters:
        return NONE
    first, *others = sorted(sorted(set(letters)), key=letters.count, reverse=True)
    if others and letters.count(others[0]) >= _ACCEPTED_SHARE * len(letters):
        return ord(first) + SECOND * ord(others[0])
    return ord(first)


def script_name(number: int) -> str:
    """Return the name of a script in lower case, the first word of Unicode's names of its letters."""
    return _SCRIPTS.names[number].lower()


def script_number(name: str) -> int:
    """Return the number of the script whose letters have Unicode names that begin with ``name``."""
    return _SCRIPTS.number(name.upper())


def scripts_in_use(pairs_by_scripts: Mapping[int, int]) -> set[int]:
    """Return the scripts of most letters in at least a tenth of the pairs: some languages are written in two.

    Args:
        pairs_by_scripts: number of pairs by what :func:`scripts` returns of a side.
    """
    counts: Counter[int] = Counter()
    for found, count in pairs_by_scripts.items():
        if found != NONE:
            counts[found % SECOND] += count
    return {number for number, count in counts.items() if count >= _ACCEPTED_SHARE * counts.total()}


def in_other_script(found: npt.NDArray[np.uint16], accepted: Iterable[int]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a text has letters, and hardly any of an ``accepted`` script.

    A sentence full of foreign names is one of its language all the same.

    Args:
        found: (n,) what :func:`scripts` returns of each text.
        accepted: numbers of scripts.
    """
    known = list(accepted)
    return np.asarray((found != NONE) & ~np.isin(found % SECOND, known) & ~np.isin(found // SECOND, known))
