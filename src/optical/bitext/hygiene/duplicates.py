"""Repeated pairs, found by digests of eight bytes each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_CHUNK = 1 << 18


def digests(english: Sequence[str], foreign: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return (n,) digests of 64 bits of pairs of texts.

    Python's own hash (SipHash) is used: its key is another in each process, but they are compared in one only. Among
    ten million different pairs some two are taken for equal once in 400,000 runs.
    """
    return np.fromiter(map(hash, zip(english, foreign, strict=True)), np.int64, len(english))


def rows_with_twins(digests: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the rows (m,), ascending, whose digest is that of another row too."""
    ordered = np.sort(digests)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if len(twice) == 0:
        return np.empty(0, np.int64)
    found = []
    for start in range(0, len(digests), _CHUNK):
        part = digests[start : start + _CHUNK]
        place = np.minimum(np.searchsorted(twice, part), len(twice) - 1)
        found.append(start + np.flatnonzero(twice[place] == part))
    return np.concatenate(found)


def repeated(digests: npt.NDArray[np.int64], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a digest stands before; looked at are the rows ``among`` (n,), the others are False."""
    rows = np.flatnonzero(among)
    _, first = np.unique(digests[rows], return_index=True)
    found: npt.NDArray[np.bool_] = among.copy()
    found[rows[first]] = False
    return found
