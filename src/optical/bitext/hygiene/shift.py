"""Lines that are shifted against each other, or do not belong together, from some line on."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, compress

import numpy as np
import numpy.typing as npt

from optical.bitext.hygiene.length_ratio import log_ratio
from optical.bitext.hygiene.lexicon import Lexicon
from optical.bitext.hygiene.repair import REACH, Repair, Segment
from optical.bitext.hygiene.stretches import Stretch, find_stretches
from optical.bitext.hygiene.survey import MOST_CHARACTERS, Source
from optical.bitext.pairs import Pair
from optical.bitext.words import words

_Reals = npt.NDArray[np.float32]

OFFSETS = (0, *(sign * step for step in range(1, REACH + 1) for sign in (1, -1)))
"""Offsets of the English line, the expected one first. The state after the last of them is "unrelated"."""
UNRELATED = len(OFFSETS)

_OUTLIERS = 0.05
_MOST_EVIDENCE = 4.0
_APART = 20
_BLOCK = 50
_TELLING = 1.2
_EVERYTHING = 50_000
_DOUBT = 32
_NOTHING: tuple[frozenset[str], list[str]] = (frozenset(), [])


@dataclass(frozen=True)
class LengthEvidence:
    """What the lengths of the sides say for each offset, against a random sentence nearby.

    The logarithm of the ratio of lengths is normal about a mean, as in Gale and Church 1993, for a translation, and
    normal about the same mean but wider for a sentence 20 lines off, both as measured in the bitext. (Compared with
    sentences nearby, a file sorted by length has no evidence, as it should be.)
    """

    english: npt.NDArray[np.uint16]
    foreign: npt.NDArray[np.uint16]
    centre: float
    deviation: float
    random_deviation: float

    @classmethod
    def of(cls, english: npt.NDArray[np.uint16], foreign: npt.NDArray[np.uint16]) -> "LengthEvidence":
        """Measure how lengths go together, at the best offset of each block of 50 rows."""
        best = []
        for at in range(0, len(english), max(_BLOCK, len(english) // 400 // _BLOCK * _BLOCK)):
            e, f = english[at : at + _BLOCK + 2 * REACH], foreign[at : at + _BLOCK + 2 * REACH]
            if len(e) < _BLOCK // 2:
                continue
            partners = (np.arange(len(e)) + np.array(OFFSETS)[:, None]) % len(e)
            ratios = log_ratio(e[partners], f)
            centres = np.median(ratios, axis=1)
            deviations = 1.4826 * np.median(np.abs(ratios - centres[:, None]), axis=1)
            best.append(min(zip(deviations.tolist(), centres.tolist(), strict=True)))
        if not best:
            return cls(english, foreign, 0.0, 1.0, 1.0)
        deviation, centre = (float(np.median(values)) for values in zip(*best, strict=True))
        far = log_ratio(np.roll(english, _APART), foreign) - centre
        return cls(
            english,
            foreign,
            centre,
            max(deviation, 0.08),
            float(np.sqrt(np.mean(far.astype(np.float64) ** 2))),
        )

    def __call__(self, start: int, stop: int) -> _Reals:
        """Return (stop - start, states) log-likelihood ratios against a random sentence; "unrelated" is 0."""
        result = np.zeros((stop - start, len(OFFSETS) + 1), dtype=np.float32)
        if self._tells_nothing():
            return result
        for state, offset in enumerate(OFFSETS):
            first = max(start, -offset)
            last = max(first, min(stop, len(self.english) - offset))
            result[:, state] = np.log(_OUTLIERS)
            result[first - start : last - start, state] = self._ratios(
                self.english[first + offset : last + offset], self.foreign[first:last]
            )
        return result

    def as_they_stand(self) -> _Reals:
        """Return (n,) the log-likelihood ratio of each row at offset 0."""
        rows = len(self.english)
        if self._tells_nothing():
            return np.zeros(rows, dtype=np.float32)
        parts = [slice(at, at + _EVERYTHING) for at in range(0, rows, _EVERYTHING)]
        return np.concatenate([self._ratios(self.english[part], self.foreign[part]) for part in parts])

    def _tells_nothing(self) -> bool:
        return self.random_deviation < _TELLING * self.deviation

    def _ratios(self, english: npt.NDArray[np.uint16], foreign: npt.NDArray[np.uint16]) -> _Reals:
        off = log_ratio(english, foreign) - self.centre
        narrow, wide = (np.exp(-0.5 * (off / d) ** 2) / d for d in (self.deviation, self.random_deviation))
        wide = np.maximum(wide, 1e-6)
        ratio = np.log((1 - _OUTLIERS) * narrow / wide + _OUTLIERS)
        return np.asarray(np.clip(ratio, -_MOST_EVIDENCE, _MOST_EVIDENCE), dtype=np.float32)

    def doubtful(self) -> npt.NDArray[np.bool_]:
        """Return (n,) whether lengths alone leave it open that a row is aligned: all rows of a small bitext."""
        rows = len(self.english)
        if rows <= _EVERYTHING:
            return np.ones(rows, dtype=np.bool_)
        windows = np.add.reduceat(self.as_they_stand(), np.arange(0, rows, _DOUBT)) < 0
        return np.repeat(windows, _DOUBT)[:rows]


@dataclass(frozen=True)
class WordEvidence:
    """What a lexicon says for each offset of those ``rows`` (m,) that it was asked about.

    ``scores`` (m,) are those of the rows as they stand, ``ratios`` (m, states) the log-likelihood ratios in a stretch
    of such rows, ``alone`` (m,) those of each row as it stands, whatever is beside it.
    """

    rows: npt.NDArray[np.int64]
    scores: _Reals
    ratios: _Reals
    alone: _Reals

    @classmethod
    def of(
        cls, source: Source, asked: npt.NDArray[np.bool_], half: npt.NDArray[np.uint8], lexicon: Lexicon
    ) -> "WordEvidence":
        """Score the rows ``asked`` (n,) at each offset, by the table of the lexicon that ``half`` (n,) names."""
        rows = np.flatnonzero(asked)
        scores = np.full((len(rows), len(OFFSETS)), np.nan, dtype=np.float32)
        if len(rows):
            nearby = np.convolve(asked, np.ones(2 * REACH + 1))[REACH : REACH + len(asked)] > 0
            window = deque([_NOTHING] * REACH, maxlen=2 * REACH + 1)
            # Rows that are not nearby are left out: none of them is within reach of one asked about.
            middles = chain([-1] * REACH, map(int, np.flatnonzero(nearby)))
            done = 0
            for row, entry in zip(middles, chain(_words(source, nearby), [_NOTHING] * REACH), strict=True):
                window.append(entry)
                if row >= 0 and asked[row]:
                    units = lexicon.units(window[REACH][1])
                    for state, offset in enumerate(OFFSETS):
                        scores[done, state] = lexicon.score(window[REACH + offset][0], units, int(half[row]))
                    done += 1
        ratios = np.zeros((len(rows), len(OFFSETS) + 1), dtype=np.float32)
        ratios[:, :UNRELATED] = lexicon.evidence[lexicon.bins(scores)]
        alone = lexicon.evidence_of_a_pair[lexicon.bins(scores[:, 0])]
        return cls(rows, scores[:, 0], ratios, alone)

    def __call__(self, start: int, stop: int) -> _Reals:
        """Return (stop - start, states) log-likelihood ratios, 0 for rows not asked about."""
        result = np.zeros((stop - start, len(OFFSETS) + 1), dtype=np.float32)
        first, last = np.searchsorted(self.rows, [start, stop])
        result[self.rows[first:last] - start] = self.ratios[first:last]
        return result


def _words(source: Source, wanted: npt.NDArray[np.bool_]) -> Iterator[tuple[frozenset[str], list[str]]]:
    pairs = (pair for pair in source.pairs() if isinstance(pair, Pair))
    for pair in compress(pairs, wanted.tobytes()):
        english, foreign = (words(text[:MOST_CHARACTERS]) for text in pair[:2])
        yield frozenset(english), foreign


def find_shifts(lengths: LengthEvidence, words: WordEvidence | None = None) -> list[Stretch]:
    """Return stretches of one state each: the place of an offset in ``OFFSETS``, or ``UNRELATED``."""

    def evidence(start: int, stop: int) -> _Reals:
        return lengths(start, stop) if words is None else lengths(start, stop) + words(start, stop)

    return find_stretches(evidence, len(lengths.english))


def repair_of(stretches: list[Stretch]) -> Repair | None:
    """Return how to put shifted lines back where they belong, None if none are shifted."""
    if not any(0 < stretch.state < UNRELATED for stretch in stretches):
        return None
    segments: list[Segment] = []
    for stretch in stretches:
        offset = 0 if stretch.state == UNRELATED else OFFSETS[stretch.state]
        if not segments:
            segments.append(Segment(stretch.start, stretch.stop, offset))
            continue
        # Where English lines are missing, as many foreign ones have no partner, and they may seem to fit either side.
        alone = max(0, segments[-1].offset - offset)
        edge, edge_stop = max(0, stretch.earliest - 1 - alone), stretch.latest + 1 + alone
        segments.append(Segment(stretch.start, stretch.stop, offset, edge=edge, edge_stop=edge_stop))
    return Repair(segments)
