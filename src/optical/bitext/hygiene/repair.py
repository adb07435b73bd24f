"""Lines put back where they belong: shifted by a few, or with the columns swapped."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optical.bitext.pairs import Malformed, Pair

REACH = 3
"""The furthest shift that is looked for, in lines."""


class Segment(NamedTuple):
    """From row ``start`` up to ``stop`` (from 0) the foreign side goes with the English of ``offset`` rows below.

    Rows from ``edge`` up to ``edge_stop``, around the start, may belong to this segment or to the one before.
    """

    start: int
    stop: int
    offset: int = 0
    swapped: bool = False
    edge: int = 0
    edge_stop: int = 0


@dataclass(frozen=True)
class Repair:
    """Segments that cover all rows of a source, in order."""

    segments: list[Segment]

    def edges(self, rows: int) -> npt.NDArray[np.bool_]:
        """Return (rows,) whether a row is without a sure partner; such rows are left as they are."""
        unsure = np.zeros(rows, dtype=np.bool_)
        for segment in self.segments:
            unsure[segment.edge : segment.edge_stop] = True
            unsure[segment.start : min(segment.stop, max(0, -segment.offset))] = True
            unsure[max(segment.start, rows - max(0, segment.offset)) : segment.stop] = True
        return unsure

    def apply(self, pairs: Iterable[Pair | Malformed]) -> Iterator[Pair | Malformed]:
        """Return an iterator over the repaired pairs: as many as before, each in the line of its foreign side."""
        rows = self.segments[-1].stop
        edges = self.edges(rows)
        segments = iter(self.segments)
        segment = next(segments)
        english: deque[str] = deque(maxlen=2 * REACH + 1)
        waiting: deque[Pair | Malformed] = deque()
        row = read = 0
        for item in _then(pairs, REACH):
            if isinstance(item, Malformed):
                waiting.append(item)
                continue
            if item is not None:
                waiting.append(item)
            english.append("" if item is None else item.english)
            read += 1
            while waiting and (isinstance(waiting[0], Malformed) or read - row > REACH):
                first = waiting.popleft()
                if isinstance(first, Malformed):
                    yield first
                    continue
                while row >= segment.stop:
                    segment = next(segments)
                if edges[row]:
                    yield first
                elif segment.swapped:
                    yield first._replace(english=first.foreign, foreign=first.english)
                else:
                    yield first._replace(english=english[segment.offset - REACH - 1])
                row += 1


def _then(pairs: Iterable[Pair | Malformed], blanks: int) -> Iterator[Pair | Malformed | None]:
    yield from pairs
    yield from [None] * blanks
