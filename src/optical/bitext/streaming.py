"""Stand-in for the streaming reader."""

from collections.abc import Iterator
from pathlib import Path

from optical.bitext.pairs import Malformed, Pair
from optical.errors import OpticalError
from optical.files import decode_line, numbered_lines


def read_pairs(source: str | Path, *, skip_bad: bool = False) -> Iterator[Pair | Malformed]:
    """Return an iterator over the pairs of a file of lines english<TAB>foreign."""
    name = str(source)
    for number, line in numbered_lines(Path(source)):
        try:
            english, foreign = decode_line(line).split("\t")
        except ValueError as error:
            note = f"{name}:{number}: {error}"
            if not skip_bad:
                raise OpticalError(f"{note}. Mend it, or skip such records with --skip-bad.") from error
            yield Malformed(note)
            continue
        yield Pair(english, foreign, name, number)
