"""Read parallel text of any format into memory, and say what was left out of it."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from optical.bitext.bitext import Bitext
from optical.bitext.formats import KNOWN_FORMATS, read_pairs
from optical.bitext.normal_text import normal_text
from optical.bitext.pairs import Malformed
from optical.bitext.sources import Source
from optical.errors import OpticalError

logger = logging.getLogger(__name__)

_FEW_PAIRS = 100
_MOST_NOTES = 20


def read_bitext(sources: Sequence[str | Path], *, strict: bool = False, max_characters: int = 2000) -> Bitext:
    """Read and clean parallel text; several sources are joined in the order given.

    Formats are those of :func:`optical.bitext.read_pairs`, options of a source those of
    :class:`optical.bitext.sources.Source`. Text becomes Unicode NFC with single spaces. Left out and counted are
    malformed records (wrong number of columns, not UTF-8; a warning names file and line of the first 20), pairs with
    an empty side, with a side of more than ``max_characters`` characters or with equal sides (case aside), exact
    repetitions, and pairs that the weight of their source leaves out. Memory: about 500 bytes for a pair of sentences
    of 20 words.

    Raises:
        OpticalError: as :func:`optical.bitext.read_pairs`; with ``strict``, the first malformed record; or no pair is
            left.
    """
    if not sources:
        raise OpticalError(f"No bitext was given. Give {KNOWN_FORMATS}.")
    pairs: dict[tuple[str, str], int] = {}
    dropped: Counter[str] = Counter()
    malformed: list[str] = []
    for source in sources:
        weight = Source.parse(source).weight
        for pair in read_pairs(source):
            if isinstance(pair, Malformed):
                if strict:
                    raise OpticalError(f"{pair.note}. Mend the line, or read without strict to skip it.")
                dropped["malformed line"] += 1
                if len(malformed) < _MOST_NOTES:
                    malformed.append(pair.note)
                continue
            english, foreign = (normal_text(side) for side in pair[:2])
            if not english or not foreign:
                dropped["empty side"] += 1
            elif max(len(english), len(foreign)) > max_characters:
                dropped[f"over {max_characters} characters"] += 1
            elif english.casefold() == foreign.casefold():
                dropped["identical sides"] += 1
            elif (english, foreign) in pairs:
                dropped["duplicate pair"] += 1
            else:
                pairs[english, foreign] = times = _times(weight, english, foreign)
                if times == 0:
                    dropped["left out by weight"] += 1
    if not any(pairs.values()):
        counts = ", ".join(f"{reason} {count}" for reason, count in dropped.items())
        first_note = f"; first malformed line: {malformed[0]}" if malformed else ""
        remedy = f"Give {KNOWN_FORMATS}"
        if dropped["identical sides"] > dropped.total() / 2:
            remedy = "Most have the same text on both sides: give a second side in the new language"
        raise OpticalError(
            f"No usable pair is left of {' and '.join(map(str, sources))} (dropped: {counts}{first_note}). {remedy}."
        )
    if malformed:
        logger.warning(
            "%d malformed line(s) of the bitext skipped:\n%s", dropped["malformed line"], "\n".join(malformed)
        )
    if dropped["identical sides"] > len(pairs):
        logger.warning(
            "Most pairs of the bitext, %d, have the same text on both sides and were left out; %d are left. Check that "
            "its second side is in the new language.",
            dropped["identical sides"],
            len(pairs),
        )
    if len(pairs) < _FEW_PAIRS:
        logger.warning(
            "The bitext has only %d sentence pairs. A student knows the words that it has seen: give a few thousand.",
            len(pairs),
        )
    return Bitext(
        [english for (english, _), times in pairs.items() for _ in range(times)],
        [foreign for (_, foreign), times in pairs.items() for _ in range(times)],
        dict(dropped),
        malformed,
    )


def _times(weight: float, english: str, foreign: str) -> int:
    """Return how often a pair stands in the bitext; what its text draws is the same on every machine."""
    whole = int(weight)
    if whole == weight:
        return whole
    drawn = hashlib.blake2b(f"{english}\t{foreign}".encode(), digest_size=8).digest()
    return whole + (int.from_bytes(drawn, "big") < (weight - whole) * 2**64)
