"""Lines english<TAB>foreign."""

from collections.abc import Iterator
from pathlib import Path

from optical.bitext.formats.text import LONGEST, decoded, number_told
from optical.bitext.languages import english_first
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.errors import OpticalError
from optical.files import numbered_lines


def read(source: Source, _skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield the pairs of a file of two columns, or of two or more if both sides are told."""
    english, foreign, most = _columns(source)
    least = max(english, foreign) + 1
    place = source.place
    for number, line in numbered_lines(Path(place), longest=LONGEST):
        try:
            columns = decoded(line).split("\t")
        except ValueError as error:
            yield Malformed(f"{place}:{number}: {error}")
            continue
        if least <= len(columns) <= most:
            yield Pair(columns[english], columns[foreign], place, number)
        elif not line.strip():
            yield Pair("", "", place, number)
        else:
            expected = "english<TAB>foreign" if most == 2 else f"at least {least}"
            yield Malformed(f"{place}:{number}: {len(columns)} column(s) instead of {expected}")


def _columns(source: Source) -> tuple[int, int, int]:
    """Return the columns of both sides, from 0, and how many a line may have."""
    if source.english and source.foreign:
        english, foreign = number_told(source, source.english), number_told(source, source.foreign)
        if english == foreign:
            raise OpticalError(f"{source.place}: both sides cannot be column {english}. Give two columns.")
        return english - 1, foreign - 1, LONGEST
    if source.english:
        english = number_told(source, source.english, 2) - 1
    elif source.foreign:
        english = 2 - number_told(source, source.foreign, 2)
    else:
        english = 0 if english_first(Path(source.place).name) else 1
    return english, 1 - english, 2
