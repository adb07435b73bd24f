"""One reading of a source: what each pair looks like, in a few bytes a pair."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from operator import eq

import numpy as np
import numpy.typing as npt

from optical.bitext.characters import AMPERSAND, DIGIT, ascii_apart
from optical.bitext.formats import read_pairs
from optical.bitext.hygiene.duplicates import digests
from optical.bitext.hygiene.markup import has_entity, has_markup, may_have_markup
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
)
from optical.bitext.hygiene.scripts import scripts
from optical.bitext.hygiene.swapped import english_on_the_right
from optical.bitext.hygiene.untranslated import is_hardly_translated
from optical.bitext.leakage import NearCopies
from optical.bitext.normal_text import are_normal, normal_text
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.words import spaced_words

MOST_CHARACTERS = 2000
_SAMPLE = 8_000
_LONGEST = 65_535
_BLOCK = 500

_Flags = npt.NDArray[np.bool_]

_COLUMNS = {
    "flags": np.uint32,
    "english_length": np.uint16,
    "foreign_length": np.uint16,
    "exact": np.int64,
    "folded": np.int64,
    "english_scripts": np.uint16,
    "foreign_scripts": np.uint16,
    "english_on_the_right": np.int8,
}

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
    _unlike_normal: list[list[int]] = field(default_factory=list)

    def pairs(self) -> Iterator[Pair | Malformed]:
        """Return an iterator over the repaired pairs, in Unicode's form C and with single spaces."""
        pairs = self._normal_pairs()
        for repair in self.repairs:
            pairs = repair.apply(pairs)
        return pairs

    def _normal_pairs(self) -> Iterator[Pair | Malformed]:
        items = read_pairs(self.name, skip_bad=self.skip_bad)
        for number in count():
            block = list(islice(items, _BLOCK))
            if not block:
                return
            # Which pairs to change is seen in the first reading and remembered: hardly any, as a rule.
            if number == len(self._unlike_normal):
                self._unlike_normal.append(_unlike_normal(block))
            for place in self._unlike_normal[number]:
                block[place] = _normal_form(block[place])
            yield from block
            if self.watch is not None:
                self.watch(self.name, len(block))


def _unlike_normal(block: Sequence[Pair | Malformed]) -> list[int]:
    """Return the places of pairs whose text is not in the normal form."""
    places, pairs = [], []
    for place, item in enumerate(block):
        if isinstance(item, Pair):
            places.append(place)
            pairs.append(item)
    if not pairs:
        return []
    normal = are_normal([pair.english for pair in pairs]) & are_normal([pair.foreign for pair in pairs])
    return [places[row] for row in np.flatnonzero(~normal).tolist()]


def _normal_form(pair: Pair | Malformed) -> Pair | Malformed:
    if isinstance(pair, Malformed):
        return pair
    return pair._replace(english=normal_text(pair.english), foreign=normal_text(pair.foreign))


class _Side:
    """One side of a block of pairs as the rules look at it, those of an overlong text at its beginning only.

    Attributes:
        texts: in Unicode's form C with single spaces.
        lengths: (n,) characters of each text.
        words: of each text, with spaces between them.
        letters: those of the words.
        digits: those of each text.
        may_have_markup: (n,) whether a text has what :func:`has_markup` may be true of.
        has_ampersand: (n,) whether a text has one.
    """

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.words, self.letters, self.digits = ([""] * len(texts) for _ in range(3))
        self.may_have_markup, self.has_ampersand = np.zeros((2, len(texts)), np.bool_)
        for rows, lines in ascii_apart([text[:MOST_CHARACTERS] for text in texts]):
            words = spaced_words(lines.text)
            # Bytes lose their spaces ten times as fast as text does.
            encoded = words.encode("utf-8", "surrogatepass").translate(None, b" ")
            letters = encoded.decode("utf-8", "surrogatepass")
            found = words.split("\n"), letters.split("\n"), lines.only(DIGIT)
            for row, *values in zip(rows.tolist(), *found, strict=True):
                self.words[row], self.letters[row], self.digits[row] = values
            self.may_have_markup[rows] = may_have_markup(lines)
            self.has_ampersand[rows] = lines.have(AMPERSAND)


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
    columns = {name: array(np.dtype(kind).char) for name, kind in _COLUMNS.items()}
    sample: list[tuple[str, str]] = []
    stride, row, malformed = 1, 0, 0
    items = source.pairs()
    while some := list(islice(items, _BLOCK)):
        pairs = [item for item in some if isinstance(item, Pair)]
        malformed += len(some) - len(pairs)
        if not pairs:
            continue
        english, foreign = _Side([pair.english for pair in pairs]), _Side([pair.foreign for pair in pairs])
        for name, values in _look(english, foreign, wrong_language, queries).items():
            columns[name].frombytes(values.astype(_COLUMNS[name]).tobytes())
        for both in zip(english.words, foreign.words, strict=True):
            if row % stride == 0:
                sample.append(both)
                if len(sample) == 2 * _SAMPLE:
                    del sample[1::2]
                    stride *= 2
            row += 1
    return Survey(
        **{name: np.frombuffer(column, _COLUMNS[name]) for name, column in columns.items()},
        sample=[(own.split(), other.split()) for own, other in sample],
        stride=stride,
        malformed=malformed,
    )


def _look(
    english: _Side, foreign: _Side, wrong_language: WrongLanguage | None, queries: NearCopies | None
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the columns of a :class:`Survey` for a block of pairs."""
    right, hardly = [], []
    for own_words, words in zip(english.words, foreign.words, strict=True):
        foreign_words = words.split()
        right.append(english_on_the_right(own_words, foreign_words))
        hardly.append(is_hardly_translated(own_words, foreign_words))
    return {
        "flags": _own_flags(english, foreign, np.array(hardly), wrong_language, queries),
        "english_length": np.minimum(english.lengths, _LONGEST),
        "foreign_length": np.minimum(foreign.lengths, _LONGEST),
        "exact": digests(english.texts, foreign.texts),
        "folded": digests(english.letters, foreign.letters),
        "english_scripts": scripts(english.letters),
        "foreign_scripts": scripts(foreign.letters),
        "english_on_the_right": np.array(right),
    }


def _own_flags(
    english: _Side,
    foreign: _Side,
    hardly_translated: _Flags,
    wrong_language: WrongLanguage | None,
    queries: NearCopies | None,
) -> npt.NDArray[np.uint32]:
    """Return (n,) the sums of the bits of the rules that judge a pair by itself.

    What takes long to see is looked for only where there are characters that it does not go without.
    """
    empty = np.array(
        [not (one and other) for one, other in zip(english.letters, foreign.letters, strict=True)]
    )
    overlong = (english.lengths > MOST_CHARACTERS) | (foreign.lengths > MOST_CHARACTERS)
    judged = ~(empty | overlong)
    untranslated = np.array(list(map(eq, english.letters, foreign.letters)))
    digits = zip(english.digits, foreign.digits, strict=True)
    other_digits = np.array([bool(one and other) and one != other for one, other in digits])
    found = {
        UNTRANSLATED: untranslated,
        HARDLY_TRANSLATED: hardly_translated & ~untranslated,
        NUMBERS: _confirmed(judged & other_digits, numbers_differ, english.texts, foreign.texts),
        MARKUP: np.zeros(len(judged), np.bool_),
        ENTITY: np.zeros(len(judged), np.bool_),
        LEAKAGE: np.zeros(len(judged), np.bool_),
    }
    for side in (english, foreign):
        found[MARKUP] |= _confirmed(judged & side.may_have_markup, has_markup, side.texts)
        found[ENTITY] |= _confirmed(judged & side.has_ampersand, has_entity, side.texts)
        if queries is not None:
            found[LEAKAGE] |= _confirmed(judged, lambda words: words.split() in queries, side.words)
    if wrong_language is not None:
        found[LANGUAGE] = _confirmed(judged, wrong_language, foreign.texts)
    flags = np.zeros(len(judged), np.uint32)
    for rule, rows in found.items():
        flags[rows] |= BIT[rule]
    flags[overlong] = BIT[OVERLONG]
    flags[empty] = BIT[EMPTY]
    return flags


def _confirmed(possible: _Flags, rule: Callable[..., bool], *columns: list[str]) -> _Flags:
    """Return (n,) whether ``rule`` finds a row of ``columns``, asked about those that are ``possible`` (n,)."""
    found = np.zeros(len(possible), np.bool_)
    for row in np.flatnonzero(possible).tolist():
        found[row] = rule(*(column[row] for column in columns))
    return found
