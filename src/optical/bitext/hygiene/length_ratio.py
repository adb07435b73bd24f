"""Sides whose lengths do not fit each other."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_Reals = npt.NDArray[np.float32]

_FEWEST_PAIRS = 50
_MOST_DEVIATIONS = 5.0
_LEAST_FACTOR = 2.5
_STEADY = 20.0
_ADDED = np.float32(5)
_MAD_TO_SD = 1.4826


class LengthRatio(NamedTuple):
    """How long foreign sides are for their English ones: the logarithm of the ratio, its centre and its deviation."""

    centre: float
    deviation: float

    @property
    def factor(self) -> float:
        """Foreign characters for one English character."""
        return math.exp(self.centre)


def log_ratio(english: npt.NDArray[np.uint16], foreign: npt.NDArray[np.uint16]) -> _Reals:
    """Return the (n,) logarithms of foreign length over English length, in characters.

    A few characters are added to both, which keeps the ratio of two words from being as wild as it is.
    """
    return np.asarray(np.log((foreign + _ADDED) / (english + _ADDED)), dtype=np.float32)


def estimate_length_ratio(ratios: _Reals) -> LengthRatio | None:
    """Return the median and the deviation (from the median absolute deviation); None for too few pairs to tell."""
    if len(ratios) < _FEWEST_PAIRS:
        return None
    centre = float(np.median(ratios))
    return LengthRatio(centre, _MAD_TO_SD * float(np.median(np.abs(ratios - centre))))


def misfit(
    ratios: _Reals, english: npt.NDArray[np.uint16], foreign: npt.NDArray[np.uint16], usual: LengthRatio
) -> npt.NDArray[np.bool_]:
    """Return (n,) whether lengths are surely no translations of each other.

    They are off by a factor of 2.5 or more, and by 5 standard deviations; as lengths add up word by word, the standard
    deviation of the logarithm grows with one over the root of the length in sentences of fewer than 20 characters
    (Gale and Church, A program for aligning sentences in bilingual corpora, Computational Linguistics 1993).
    """
    shorter = np.minimum(english, foreign / np.float32(usual.factor)) + _ADDED
    deviation = max(usual.deviation, 0.05) * np.sqrt(np.maximum(1.0, _STEADY / shorter))
    off = np.abs(ratios - usual.centre)
    return np.asarray((off > math.log(_LEAST_FACTOR)) & (off > _MOST_DEVIATIONS * deviation))
