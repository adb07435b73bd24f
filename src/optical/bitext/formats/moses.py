"""Two aligned files, the layout of Moses: line i of one translates line i of the other."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from optical.bitext.formats.text import LONGEST, decoded, number_told
from optical.bitext.languages import is_english, last_language
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.errors import OpticalError
from optical.files import numbered_lines, without_compression

_Lines = Iterator[tuple[int, bytes]]


def read(source: Source, _skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield the pairs of two files written as ``train.en,train.sw``; the one that its name calls English is English."""
    names = [name.strip() for name in source.place.split(",")]
    if len(names) != 2 or not all(names):
        raise OpticalError(f"{source.place} should name two files, as in train.en,train.sw.")
    if not _english_first(source, names):
        names.reverse()
    yield from aligned(source.place, names, [numbered_lines(Path(name), longest=LONGEST) for name in names])


def aligned(file: str, names: Sequence[str], lines: Sequence[_Lines]) -> Iterator[Pair | Malformed]:
    """Yield the pairs of two sequences of lines, the first of them English.

    Args:
        file: what the pairs say they come from.
        names: what notes and errors call the two sides.
        lines: the numbered lines of the two sides.

    Raises:
        OpticalError: one side has more lines than the other.
    """
    english, foreign = names
    counts = [0, 0]
    for numbered in zip_longest(*lines):
        sides: list[str] = []
        problem = None
        for side, item in enumerate(numbered):
            if item is None:
                continue
            counts[side], line = item
            try:
                sides.append(decoded(line).replace("\t", " "))
            except ValueError as error:
                problem = problem or Malformed(f"{names[side]}:{counts[side]}: {error}")
        if problem:
            yield problem
        elif len(sides) == 2:
            yield Pair(sides[0], sides[1], file, counts[0])
    if counts[0] != counts[1]:
        raise OpticalError(
            f"{english} has {counts[0]} lines but {foreign} has {counts[1]}. "
            "Line i of one must translate line i of the other: align the files again."
        )


def _english_first(source: Source, names: list[str]) -> bool:
    if source.english:
        return number_told(source, source.english, 2) == 1
    if source.foreign:
        return number_told(source, source.foreign, 2) == 2
    first, second = (last_language(without_compression(name)) for name in names)
    return not (second and is_english(second)) or bool(first and is_english(first))
