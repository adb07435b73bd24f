"""One reading of a source: what each pair looks like, in a few bytes a pair."""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from optical.bitext.formats import read_pairs
from optical.bitext.hygiene.duplicates import digests
from optical.bitext.hygiene.markup import has_entity, has_markup
from optical.bitext.hygiene.numbers import numbers_differ
from optical.bitext.hygiene.repair import Repair
from optical.bitext.hygiene.rules import (
    BIT,
    EMPTY,
    ENTITY,
    HARDLY_TRANSLATED,
    LANGUAGE,
    LEAKAGE,
    MARKUP,
    NUMBERS,
    OVERLONG,
    UNTRANSLATED,
    Sides,
)
from optical.bitext.hygiene.scripts import scripts
from optical.bitext.hygiene.swapped import english_on_the_right
from optical.bitext.hygiene.untranslated import is_hardly_translated, is_untranslated
from optical.bitext.leakage import NearCopies
from optical.bitext.normal_text import normal_text
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.words import words

MOST_CHARACTERS = 2000
_SAMPLE = 8_000
_LONGEST = 65_535
_WATCH_EVERY = 10_000


WrongLanguage = Callable[[str], bool]
"""Says whether a text is surely not in the language wanted."""

Watch = Callable[[str, int], None]
"""Told the source being read and how many more of its pairs have been."""


@dataclass
class Source:
    """What :func:`optical.bitext.read_pairs` reads, and the repairs found necessary so far."""

    name: str
    skip_bad: bool
    watch: Watch | None = None
    repairs: list[Repair] = field(default_factory=list)

    def pairs(self) -> Iterator[Pair | Malformed]:
        """Return an iterator over the repaired pairs, in Unicode's form C and with single spaces."""
        pairs: Iterator[Pair | Malformed] = map(_normal_form, read_pairs(self.name, skip_bad=self.skip_bad))
        for repair in self.repairs:
            pairs = repair.apply(pairs)
        return pairs if self.watch is None else self._watched(pairs, self.watch)

    def _watched(self, pairs: Iterator[Pair | Malformed], watch: Watch) -> Iterator[Pair | Malformed]:
        while some := list(islice(pairs, _WATCH_EVERY)):
            yield from some
            watch(self.name, len(some))


def _normal_form(pair: Pair | Malformed) -> Pair | Malformed:
    if isinstance(pair, Malformed):
        return pair
    english, foreign = normal_text(pair.english), normal_text(pair.foreign)
    # Most text is normal already, and making pairs takes time.
    if english is pair.english and foreign is pair.foreign:
        return pair
    return pair._replace(english=english, foreign=foreign)


def sides_of(pair: Pair) -> Sides:
    """Return the two sides of a pair with their words, those of an overlong side cut off."""
    english, foreign = pair.english, pair.foreign
    english_words, foreign_words = words(english[:MOST_CHARACTERS]), words(foreign[:MOST_CHARACTERS])
    return Sides(
        english, foreign, english_words, foreign_words, "".join(english_words), "".join(foreign_words)
    )


@dataclass(frozen=True)
class Survey:
    """What one reading of a source found, a row for each pair in the order of the source.

    Attributes:
        flags: (n,) uint32 sum of the bits of the rules that judge a pair by itself.
        english_length: (n,) uint16 characters; those over 65,535 count as that.
        foreign_length: (n,) uint16.
        exact: (n,) int64 digest of the pair.
        folded: (n,) int64 digest of its words.
        english_scripts: (n,) uint16 numbers of the two commonest scripts.
        foreign_scripts: (n,) uint16.
        english_on_the_right: (n,) int8 evidence that the columns are swapped.
        sample: English and foreign words of every ``stride``-th row.
        stride: rows from one pair of the sample to the next.
        malformed: number of records that could not be read.
    """

    flags: npt.NDArray[np.uint32]
    english_length: npt.NDArray[np.uint16]
    foreign_length: npt.NDArray[np.uint16]
    exact: npt.NDArray[np.int64]
    folded: npt.NDArray[np.int64]
    english_scripts: npt.NDArray[np.uint16]
    foreign_scripts: npt.NDArray[np.uint16]
    english_on_the_right: npt.NDArray[np.int8]
    sample: list[tuple[list[str], list[str]]]
    stride: int
    malformed: int

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.flags)

    @property
    def half(self) -> npt.NDArray[np.uint8]:
        """The table of a :class:`Lexicon` of this sample that a row (n,) was not used for."""
        return (np.arange(len(self)) // self.stride % 2).astype(np.uint8)


def survey(source: Source, wrong_language: WrongLanguage | None, queries: NearCopies | None) -> Survey:
    """Read a source and look at each pair by itself.

    Raises:
        OpticalError: the source cannot be read.
    """
    flags, english_length, foreign_length = array("I"), array("H"), array("H")
    exact, folded, english_scripts, foreign_scripts = array("q"), array("q"), array("H"), array("H")
    swapped = array("b")
    sample: list[tuple[list[str], list[str]]] = []
    stride, row, malformed = 1, 0, 0
    for pair in source.pairs():
        if isinstance(pair, Malformed):
            malformed += 1
            continue
        sides = sides_of(pair)
        flags.append(_own_flags(sides, wrong_language, queries))
        one, other = len(sides.english), len(sides.foreign)
        english_length.append(one if one < _LONGEST else _LONGEST)
        foreign_length.append(other if other < _LONGEST else _LONGEST)
        one, other = digests(sides)
        exact.append(one)
        folded.append(other)
        english_scripts.append(scripts(sides.english_letters))
        foreign_scripts.append(scripts(sides.foreign_letters))
        swapped.append(english_on_the_right(sides))
        if row % stride == 0:
            sample.append((sides.english_words, sides.foreign_words))
            if len(sample) == 2 * _SAMPLE:
                del sample[1::2]
                stride *= 2
        row += 1
    return Survey(
        np.frombuffer(flags, np.uint32),
        np.frombuffer(english_length, np.uint16),
        np.frombuffer(foreign_length, np.uint16),
        np.frombuffer(exact, np.int64),
        np.frombuffer(folded, np.int64),
        np.frombuffer(english_scripts, np.uint16),
        np.frombuffer(foreign_scripts, np.uint16),
        np.frombuffer(swapped, np.int8),
        sample,
        stride,
        malformed,
    )


def _own_flags(sides: Sides, wrong_language: WrongLanguage | None, queries: NearCopies | None) -> int:
    english, foreign = sides.english, sides.foreign
    flags = 0
    if not sides.english_words or not sides.foreign_words:
        return BIT[EMPTY]
    if len(english) > MOST_CHARACTERS or len(foreign) > MOST_CHARACTERS:
        return BIT[OVERLONG]
    if is_untranslated(sides):
        flags |= BIT[UNTRANSLATED]
    elif is_hardly_translated(sides):
        flags |= BIT[HARDLY_TRANSLATED]
    if has_markup(english, foreign):
        flags |= BIT[MARKUP]
    if has_entity(english, foreign):
        flags |= BIT[ENTITY]
    if not sides.english_letters.isalpha() and numbers_differ(english, foreign):
        flags |= BIT[NUMBERS]
    if wrong_language is not None and wrong_language(foreign):
        flags |= BIT[LANGUAGE]
    if queries is not None and (sides.english_words in queries or sides.foreign_words in queries):
        flags |= BIT[LEAKAGE]
    return flags
