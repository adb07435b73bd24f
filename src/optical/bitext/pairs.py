"""What reading parallel text yields, one item at a time."""

from typing import NamedTuple


class Pair(NamedTuple):
    """A sentence pair as its source has it, and where it stands: ``file`` as given, ``line`` from 1.

    In a translation memory it is the line where the unit starts; in a dataset, which has no lines, ``line`` counts
    the records.
    """

    english: str
    foreign: str
    file: str
    line: int


class Malformed(NamedTuple):
    """A record that could not be read: the note says "file:line: what is wrong"."""

    note: str
