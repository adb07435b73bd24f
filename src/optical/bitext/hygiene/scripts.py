"""Scripts of texts, by Unicode's character names."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from optical.bitext.characters import OUTSIDE_LATIN, CharacterTable, Lines

NONE = 0
LATIN = 1
SECOND = 256

_ACCEPTED_SHARE = 0.1
# One writing system under several names.
_SAME = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK", "HALFWIDTH": "CJK"}


_names = ["none", "LATIN"]


def script(text: str) -> int:
    """Return the number of the script of most letters of ``text``; ``NONE`` without a letter.

    Japanese kana and Chinese characters count as one script.
    """
    return int(scripts([text])[0]) % SECOND


def scripts(texts: Sequence[str]) -> npt.NDArray[np.uint16]:
    """Return (n,) the script of most letters of each text, and ``SECOND`` times the next if a tenth are of it.

    Args:
        texts: one or more, each of letters, marks and digits.
    """
    found: npt.NDArray[np.uint16] = np.array(
        [NONE if not text or text.isnumeric() else LATIN for text in texts], np.uint16
    )
    rows = np.flatnonzero(np.logical_not([text.isascii() for text in texts]))
    if len(rows):
        rows = rows[Lines([texts[row] for row in rows.tolist()]).have(OUTSIDE_LATIN)]
    if len(rows):
        found[rows] = _counted(Lines([texts[row] for row in rows.tolist()]))
    return found


def _counted(lines: Lines) -> npt.NDArray[np.uint16]:
    """Return what :func:`scripts` does, by the script of every single letter."""
    numbers = _NUMBERS(lines.codes) - 1
    rows = np.arange(len(lines.starts))
    places = np.repeat(rows * len(_names), np.diff(lines.starts, append=len(lines.codes))) + numbers
    counts = np.bincount(places, minlength=len(rows) * len(_names)).reshape(len(rows), len(_names))
    counts[:, NONE] = 0
    letters = counts.sum(axis=1)
    first = counts.argmax(axis=1)
    counts[rows, first] = 0
    second = counts.argmax(axis=1)
    second[counts[rows, second] < _ACCEPTED_SHARE * letters] = NONE
    return np.asarray(first + SECOND * second, np.uint16)


def _number(letter: str) -> int:
    """Return the number of a letter's script and 1; scripts are numbered as they turn up."""
    if unicodedata.category(letter) not in ("Lu", "Ll", "Lt", "Lo"):
        return NONE + 1
    return script_number(unicodedata.name(letter, "UNKNOWN").split()[0]) + 1


_NUMBERS = CharacterTable(_number, np.uint8)


def script_name(number: int) -> str:
    """Return the name of a script in lower case, the first word of Unicode's names of its letters."""
    return _names[number].lower()


def script_number(name: str) -> int:
    """Return the number of the script whose letters have Unicode names that begin with ``name``."""
    name = _SAME.get(name.upper(), name.upper())
    if name not in _names:
        _names.append(name)
    return _names.index(name)


def scripts_in_use(pairs_by_scripts: Mapping[int, int]) -> set[int]:
    """Return the scripts of most letters in at least a tenth of the pairs: some languages are written in two.

    Args:
        pairs_by_scripts: number of pairs by what :func:`scripts` returns of one.
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
