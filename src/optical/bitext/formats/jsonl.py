"""JSON lines: a record a line, in the layouts that Hugging Face and sentence-transformers use, or with keys told."""

import json
from collections.abc import Iterator
from pathlib import Path

from optical.bitext.formats.text import LONGEST, decoded, sides_of_record
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.files import numbered_lines


def read(source: Source, _skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield the pairs of a file of JSON lines; empty lines are passed over."""
    place = source.place
    for number, line in numbered_lines(Path(place), longest=LONGEST):
        try:
            text = decoded(line)
            if text and not text.isspace():
                english, foreign = sides_of_record(json.loads(text), source)
                yield Pair(english, foreign, place, number)
        except json.JSONDecodeError as error:
            yield Malformed(f"{place}:{number}: not JSON ({error.msg} at character {error.colno})")
        except ValueError as error:
            yield Malformed(f"{place}:{number}: {error}")
        except RecursionError:
            yield Malformed(f"{place}:{number}: nested too deeply")
