"""What reading parallel text yields, one item at a time."""

from typing import NamedTuple


class Pair(NamedTuple):
    """A sentence pair as its source has it, and where it stands: ``file`` as given, ``line`` from 1.

    In sources without lines (a dataset, a translation memory) ``line`` counts the records.
    """

    english: str
    foreign: str
    file: str
    line: int


class Malformed(NamedTuple):
    """A record that could not be read: the note says "file:line: what is wrong"."""

    note: str
