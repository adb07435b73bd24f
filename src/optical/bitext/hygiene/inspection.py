"""All rules applied to bitext: which pairs are bad, and what was put right."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from optical.bitext.hygiene.duplicates import repeated, rows_with_twins
from optical.bitext.hygiene.length_ratio import LengthRatio, estimate_length_ratio, log_ratio, misfit
from optical.bitext.hygiene.lexicon import Lexicon
from optical.bitext.hygiene.repair import Repair
from optical.bitext.hygiene.rules import (
    BIT,
    BOUNDARY,
    DUPLICATE,
    LENGTH,
    MISALIGNED,
    NEAR_DUPLICATE,
    RULES,
    SCRIPT,
    UNLIKELY,
    Rule,
)
from optical.bitext.hygiene.scripts import LATIN, in_other_script, scripts_in_use
from optical.bitext.hygiene.shift import UNRELATED, LengthEvidence, WordEvidence, find_shifts, repair_of
from optical.bitext.hygiene.survey import Source, Survey, WrongLanguage, survey
from optical.bitext.hygiene.swapped import find_swaps
from optical.bitext.leakage import NearCopies

_Flags = npt.NDArray[np.bool_]

_UNLIKELY = -5.0
_AGAINST = -0.5
_FEWEST_TO_ALIGN = 40


@dataclass
class Inspection:
    """What was found in one source, whose pairs are read with ``source.repairs`` from now on.

    Attributes:
        survey: what each pair looks like, after the repairs.
        flags: (n,) uint32 sum of the bits of all rules that find a pair.
        misaligned: stretches [start, stop) of rows that do not belong together.
        length_ratio: the usual ratio of lengths; None for too few pairs.
        scripts: numbers of the scripts of the foreign side.
        words: what the lexicon says of the pairs; None without one.
        lengths: what the lengths of their sides say.
    """

    source: Source
    survey: Survey
    flags: npt.NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    misaligned: list[tuple[int, int]] = field(default_factory=list)
    length_ratio: LengthRatio | None = None
    scripts: set[int] = field(default_factory=set)
    words: WordEvidence | None = None
    lengths: LengthEvidence = field(init=False)

    def __post_init__(self) -> None:
        """Measure the lengths."""
        self.measure_lengths()

    def measure_lengths(self) -> None:
        """Set ``lengths`` to what the survey says now."""
        self.lengths = LengthEvidence.of(self.survey.english_length, self.survey.foreign_length)

    def mark(self, rule: Rule, found: _Flags) -> None:
        """Let ``rule`` find the rows ``found`` (n,), and no others."""
        self.flags = np.where(found, self.flags | np.uint32(BIT[rule]), self.flags & ~np.uint32(BIT[rule]))

    def found(self, *rules: Rule) -> _Flags:
        """Return (n,) whether any of ``rules`` finds a row."""
        return np.asarray(self.flags & np.uint32(sum(BIT[rule] for rule in rules)) != 0)

    def reasons(self, dropping: Collection[Rule]) -> npt.NDArray[np.int8]:
        """Return (n,) the place in ``RULES`` of the first rule of ``dropping`` that finds a row; -1 for none."""
        reasons = np.full(len(self.flags), -1, dtype=np.int8)
        for place, rule in reversed(list(enumerate(RULES))):
            if rule in dropping:
                reasons[self.found(rule)] = place
        return reasons


def inspect(
    sources: Sequence[Source],
    dropping: Collection[Rule],
    *,
    wrong_language: WrongLanguage | None = None,
    queries: NearCopies | None = None,
    scripts: Collection[int] = (),
) -> tuple[list[Inspection], Lexicon | None]:
    """Apply all rules, given those that ``dropping`` drops; each source is read once, or once more for each repair.

    Lengths, scripts and shifts are judged source by source, since one may be of another kind than the next; repetitions
    and translations in all together.

    Returns:
        An inspection for each source, and the lexicon; None for too few pairs to estimate one.

    Raises:
        OpticalError: a source cannot be read.
    """

    def read(source: Source) -> Survey:
        return survey(source, wrong_language, queries)

    inspections = [Inspection(source, read(source)) for source in sources]
    sample = []
    for inspection in inspections:
        _repair(inspection, find_swaps(inspection.survey.english_on_the_right), read)
        part = _aligned_sample(inspection, read)
        # An even number, so that the even rows of each source are the even ones of the whole.
        sample += part[: len(part) // 2 * 2]
    lexicon = Lexicon(sample) if len(sample) >= _FEWEST_TO_ALIGN else None
    if lexicon is not None:
        for inspection in inspections:
            _judge_alignment(inspection, lexicon, read)
    _judge_together(inspections, set(dropping), set(scripts))
    return inspections, lexicon


def _aligned_sample(
    inspection: Inspection, read: Callable[[Source], Survey]
) -> list[tuple[list[str], list[str]]]:
    """Return pairs to learn words from, with shifts put right as far as lengths show them."""
    repair = repair_of(find_shifts(inspection.lengths))
    if repair is None:
        return inspection.survey.sample
    return read(replace(inspection.source, repairs=[*inspection.source.repairs, repair])).sample


def _repair(inspection: Inspection, repair: Repair | None, read: Callable[[Source], Survey]) -> None:
    if repair is not None:
        inspection.source.repairs.append(repair)
        inspection.survey = read(inspection.source)
        inspection.measure_lengths()


def _judge_alignment(inspection: Inspection, lexicon: Lexicon, read: Callable[[Source], Survey]) -> None:
    words = _words(inspection, lexicon)
    stretches = find_shifts(inspection.lengths, words)
    inspection.misaligned = [
        (stretch.start, stretch.stop)
        for stretch in stretches
        # Proverbs or entries of a dictionary have lengths of their own, but their words say that they are translations.
        if stretch.state == UNRELATED and words(stretch.start, stretch.stop)[:, 0].mean() < _AGAINST
    ]
    repair = repair_of(stretches)
    if repair is not None:
        _repair(inspection, repair, read)
        words = _words(inspection, lexicon)
    inspection.words = words


def _words(inspection: Inspection, lexicon: Lexicon) -> WordEvidence:
    return WordEvidence.of(inspection.source, inspection.lengths.doubtful(), inspection.survey.half, lexicon)


def _judge_together(inspections: Sequence[Inspection], dropping: set[Rule], scripts: set[int]) -> None:
    """Apply the rules that need more than one pair: first those of alignment, then repetitions among what is left.

    What is usual (lengths, scripts) is measured on the pairs that are kept, and measured again after each that falls,
    until no more do: so there is nothing left to drop if the result is cleaned again.
    """
    for inspection in inspections:
        rows = len(inspection.survey)
        inspection.flags = inspection.survey.flags.copy()
        edges = [repair.edges(rows) for repair in inspection.source.repairs]
        inspection.mark(BOUNDARY, np.logical_or.reduce(edges) if edges else np.zeros(rows, np.bool_))
        stretch = np.zeros(rows, np.bool_)
        for start, stop in inspection.misaligned:
            stretch[start:stop] = True
        inspection.mark(MISALIGNED, stretch)
        if inspection.words is not None:
            inspection.mark(UNLIKELY, _unlikely(inspection))
    folded = np.concatenate([inspection.survey.folded for inspection in inspections])
    twins = rows_with_twins(folded)  # few, as a rule: all that repetitions need to be looked for in
    folded = folded[twins]
    exact = np.concatenate([inspection.survey.exact for inspection in inspections])[twins]
    ends = np.cumsum([len(inspection.survey) for inspection in inspections])[:-1]
    others = dropping - {DUPLICATE, NEAR_DUPLICATE}
    while True:
        kept = np.concatenate([~inspection.found(*others) for inspection in inspections])
        repeats = {DUPLICATE: repeated(exact, kept[twins]), NEAR_DUPLICATE: repeated(folded, kept[twins])}
        repeats[NEAR_DUPLICATE] &= ~repeats[DUPLICATE]
        for rule in dropping & repeats.keys():
            kept[twins] &= ~repeats[rule]
        changed = [
            _judge_by_the_usual(inspection, part, dropping, scripts)
            for inspection, part in zip(inspections, np.split(kept, ends), strict=True)
        ]
        if not any(changed):
            break
    for rule, repetitions in repeats.items():
        found = np.zeros_like(kept)
        found[twins] = repetitions
        for inspection, part in zip(inspections, np.split(found, ends), strict=True):
            inspection.mark(rule, part)


def _judge_by_the_usual(inspection: Inspection, kept: _Flags, dropping: set[Rule], scripts: set[int]) -> bool:
    """Find pairs that are unlike the ``kept`` (n,) ones; return whether a kept one is now to be dropped."""
    columns = inspection.survey
    inspection.scripts = scripts or scripts_in_use(Counter(columns.foreign_scripts[kept].tolist()))
    other_script = in_other_script(columns.foreign_scripts, inspection.scripts)
    found = {SCRIPT: other_script | in_other_script(columns.english_scripts, [LATIN])}
    ratios = log_ratio(columns.english_length, columns.foreign_length)
    inspection.length_ratio = estimate_length_ratio(ratios[kept])
    if inspection.length_ratio is not None:
        found[LENGTH] = misfit(
            ratios, columns.english_length, columns.foreign_length, inspection.length_ratio
        )
    changed = False
    for rule, rows in found.items():
        if rule in dropping:
            rows |= inspection.found(rule)  # what fell once stays fallen, or this might never end
            changed |= bool(np.any(rows & kept))
        inspection.mark(rule, rows)
    return changed


def _unlikely(inspection: Inspection) -> _Flags:
    words = inspection.words
    if words is None or not len(words.rows):
        return np.zeros(len(inspection.survey), np.bool_)
    evidence = inspection.lengths.as_they_stand()
    evidence[words.rows] += words.alone
    return np.asarray(evidence < _UNLIKELY)
