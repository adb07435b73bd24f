"""The one form in which text is compared and kept."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optical.bitext.characters import COMPOSABLE, UNPRINTABLE, ascii_apart

_LONG = 10_000


def normal_text(text: str) -> str:
    """Return ``text`` in Unicode's form C, with single spaces between words and none around them."""
    # Most text is normal already, which is quicker to see than to bring about. Printable text has no space but " ".
    if (
        text.isprintable()
        and "  " not in text
        and text[:1] != " " != text[-1:]
        and (text.isascii() or unicodedata.is_normalized("NFC", text))
    ):
        return text
    return " ".join(unicodedata.normalize("NFC", text).split())


def are_normal(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether each of one or more texts without line feeds is what :func:`normal_text` makes of it."""
    # One very long text must not take the memory of as many as there are.
    normal = np.ones(len(texts), np.bool_)
    for rows, lines in ascii_apart([text if len(text) <= _LONG else "\0" for text in texts]):
        doubtful = lines.have(UNPRINTABLE | COMPOSABLE)
        gaps = lines.codes <= ord(" ")  # spaces and line feeds
        doubtful[lines.rows_at(np.flatnonzero(gaps[1:] & gaps[:-1]) + 1)] = True
        doubtful[0] |= lines.text.startswith(" ")
        for row in rows[doubtful].tolist():
            normal[row] = normal_text(texts[row]) == texts[row]
    return normal
