"""How a user writes where sentence pairs come from."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import parse_qsl

from optical.errors import OpticalError


@dataclass(frozen=True)
class Source:
    """Where sentence pairs come from, and what of them to take.

    Written as ``place`` or ``place?option=value&option=value``; special characters of a value can be written as in
    web addresses (``%26`` for &). A file whose own name has a question mark is read as such.

    Attributes:
        place: a file; two aligned files ``train.en,train.sw``; or ``hf:`` and the id of a dataset.
        english: what holds the English side: the number of a column or file (from 1), the key of a record, or the
            language code of a translation memory or archive. None: told by names, else the first.
        foreign: the same of the other side.
        split: the split of a dataset, "train" if None.
        cap: take at most that many pairs, the first ones.
        weight: how often training sees a pair of this source in an epoch. Reading pair by pair leaves it alone; in a
            :class:`~optical.bitext.Bitext` a pair of weight 3 stands three times, one of weight 0.2 with a
            chance of one in five.
    """

    place: str
    english: str | None = None
    foreign: str | None = None
    split: str | None = None
    cap: int | None = None
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str | Path) -> "Source":
        """Return the source that ``text`` stands for; a :class:`~pathlib.Path` is a place and nothing else.

        Raises:
            OpticalError: an option is unknown, given twice or has an impossible value.
        """
        if isinstance(text, Path) or "?" not in text or Path(text).exists():
            return cls(str(text))
        place, _, query = text.rpartition("?")
        try:
            options = parse_qsl(query, strict_parsing=True, keep_blank_values=True)
        except ValueError:
            options = [(query, "")]
        known = [field.name for field in fields(cls)][1:]
        values: dict[str, str] = {}
        for name, value in options:
            if name not in known:
                raise OpticalError(
                    f"{text} does not exist, and {name!r} is no option of a source. Options are {', '.join(known)}, "
                    "as in train.tsv?weight=2&cap=1000."
                )
            if name in values or not value:
                raise OpticalError(f"{text} should give {name} once, with a value, as in train.tsv?weight=2.")
            values[name] = value
        return cls(
            place,
            values.get("english"),
            values.get("foreign"),
            values.get("split"),
            _cap(text, values.get("cap")),
            _weight(text, values.get("weight", "1")),
        )


def _cap(source: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdecimal() or int(value) == 0:
        raise OpticalError(f"{source}: a cap of {value} is no number of pairs. Give a whole number from 1.")
    return int(value)


def _weight(source: str, value: str) -> float:
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise OpticalError(f"{source}: {value} is no weight. Give a number above 0.")
    return weight
