"""Columns the wrong way round: English where the foreign side should be."""

import numpy as np
import numpy.typing as npt

from optical.bitext.hygiene.repair import Repair, Segment
from optical.bitext.hygiene.stretches import find_stretches

# The commonest words of English, without those that are words of many other languages too (a, an, in, on, me, so, to).
_FUNCTION_WORDS = frozenset(
    "the of and that for it was with are be by this from have not but they his her she which their you we were has "
    "had been would there what will who when can more if out about said is your our how could should these than "
    "them".split()
)
_MOST = 3
_FEWEST_WORDS = 4


def english_on_the_right(english: str, foreign_words: list[str]) -> int:
    """Return how much speaks for English in the foreign column, from -3 to 3.

    That is the function words of English there less those on the left; -1 for a sentence without any.

    Args:
        english: words with spaces between them.
    """
    if _FUNCTION_WORDS.isdisjoint(foreign_words):
        return -1 if len(foreign_words) >= _FEWEST_WORDS else 0
    right, left = (len(_FUNCTION_WORDS.intersection(words)) for words in (foreign_words, english.split()))
    return max(-_MOST, min(_MOST, right - left))


def find_swaps(evidence: npt.NDArray[np.int8]) -> Repair | None:
    """Return where columns are swapped, or None; ``evidence`` (n,) is :func:`english_on_the_right` of each row."""

    def straight_or_swapped(start: int, stop: int) -> npt.NDArray[np.float32]:
        part = evidence[start:stop].astype(np.float32) / np.float32(2)
        return np.stack([-part, part], axis=1)

    stretches = find_stretches(straight_or_swapped, len(evidence))
    if not any(stretch.state for stretch in stretches):
        return None
    return Repair([Segment(stretch.start, stretch.stop, swapped=stretch.state == 1) for stretch in stretches])
