"""Check bitext, or write what is good of it."""

import gzip
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from optical.bitext.hygiene.inspection import Inspection, inspect
from optical.bitext.hygiene.length_ratio import log_ratio
from optical.bitext.hygiene.lexicon import Lexicon
from optical.bitext.hygiene.report import Example, Finding, Histogram, Report, SourceReport
from optical.bitext.hygiene.rules import RULES, Rule
from optical.bitext.hygiene.scripts import script_name, script_number
from optical.bitext.hygiene.survey import Source, Watch, WrongLanguage
from optical.bitext.leakage import NearCopies
from optical.bitext.pairs import Malformed, Pair
from optical.errors import OpticalError
from optical.files import replace_file

DROPPING = tuple(rule for rule in RULES if rule.drops)
"""The rules that drop pairs unless told otherwise."""

DROPPED_SUFFIX = ".dropped.tsv"

_KEPT = 255  # -1 as a byte
_MOST_NOTES = 20


def check(
    sources: Sequence[str | Path],
    output: Path | None = None,
    *,
    dropping: Collection[Rule] = DROPPING,
    skip_bad: bool = False,
    queries: Iterable[str] = (),
    wrong_language: WrongLanguage | None = None,
    script: str | None = None,
    examples: int = 3,
    watch: Watch | None = None,
) -> Report:
    """Look for bad pairs in bitext, and with ``output`` write the others.

    Swapped columns and lines that are shifted against each other are put right first; the rules judge the pairs after
    that. Files are read two to five times, with about 30 bytes a pair in memory. Pairs are written as lines
    ``english<TAB>foreign`` (gzip for a name in ``.gz``) in their order, in Unicode's form C and with single spaces;
    each that is left out goes to a file of the same name and ``.dropped.tsv`` with its reason, file and line. Cleaning
    the result again drops nothing.

    Args:
        sources: what :func:`optical.bitext.read_pairs` reads; repetitions are looked for in all together.
        output: file to write, or None to report only.
        dropping: the rules that leave pairs out; the others count.
        skip_bad: count damage of a file (broken XML, an archive cut short) and go on as far as that is possible.
            Single records that cannot be read are always counted, and go to the file of those left out.
        queries: texts of an evaluation; pairs with a near copy of one are found by the rule near-copy-of-a-query.
        wrong_language: says of a foreign side that it is surely in another language.
        script: the script of the foreign side, as in Unicode's names of its letters ("ethiopic"); by default those of
            a tenth of a source's pairs or more.
        examples: how many pairs to show for each rule.
        watch: told now and then what is being done to how many pairs.

    Raises:
        OpticalError: no source is given, or one cannot be read, or nothing would be left to write.
    """
    if not sources:
        raise OpticalError("No bitext was given. Name at least one file of pairs.")
    opened = [Source(str(source), skip_bad, watch) for source in sources]
    texts = list(queries)
    inspections, lexicon = inspect(
        opened,
        dropping,
        wrong_language=wrong_language,
        queries=NearCopies(texts) if texts else None,
        scripts=[script_number(script)] if script else [],
    )
    with ExitStack() as files:
        if output is None:
            return _report(inspections, lexicon, dropping, examples, None, None)
        if not any((inspection.reasons(dropping) < 0).any() for inspection in inspections):
            raise OpticalError(
                f"No pair is left of {' and '.join(map(str, sources))}. "
                "Look at the reasons with `optical bitext check`."
            )
        kept = files.enter_context(_writing(output))
        dropped = files.enter_context(_writing(output.with_name(output.name + DROPPED_SUFFIX)))
        return _report(inspections, lexicon, dropping, examples, kept, dropped)


def _report(
    inspections: Sequence[Inspection],
    lexicon: Lexicon | None,
    dropping: Collection[Rule],
    most_examples: int,
    kept: TextIO | None,
    dropped: TextIO | None,
) -> Report:
    """Read the pairs once more, for examples and to write them."""
    examples: dict[str, list[Example]] = {rule.name: [] for rule in RULES}
    notes: list[str] = []
    sources: list[SourceReport] = []
    left_out = np.zeros(len(RULES), dtype=np.int64)
    wanted = _spread(inspections, most_examples)
    for inspection, shown in zip(inspections, wanted, strict=True):
        findings = _findings(inspection)
        lines = {row: 0 for _, first, last in findings for row in (first, last)}
        reasons = inspection.reasons(dropping)
        codes = reasons.tobytes()
        special = shown.keys() | lines.keys()
        for row, pair in _numbered(inspection.source.pairs(), notes, dropped):
            if kept is not None and dropped is not None:
                if codes[row] == _KEPT:
                    kept.write(f"{pair.english}\t{pair.foreign}\n")
                else:
                    reason = RULES[codes[row]].name
                    dropped.write(f"{reason}\t{pair.file}\t{pair.line}\t{pair.english}\t{pair.foreign}\n")
            if row in special:
                lines[row] = pair.line
                for rule in shown.get(row, ()):
                    examples[rule.name].append(Example(pair.file, pair.line, pair.english, pair.foreign))
        left_out += np.bincount(reasons[reasons >= 0], minlength=len(RULES))
        usual = inspection.length_ratio
        sources.append(
            SourceReport(
                name=inspection.source.name,
                pairs=len(reasons),
                kept=int(np.count_nonzero(reasons < 0)),
                malformed=inspection.survey.malformed,
                scripts=sorted(map(script_name, inspection.scripts)),
                foreign_per_english=None if usual is None else usual.factor,
                findings=[Finding(what, lines[first], lines[last]) for what, first, last in findings],
            )
        )
    return Report(
        sources=sources,
        found={
            rule.name: sum(int(inspection.found(rule).sum()) for inspection in inspections) for rule in RULES
        },
        dropped={rule.name: int(count) for rule, count in zip(RULES, left_out, strict=True) if count},
        examples={name: shown for name, shown in examples.items() if shown},
        malformed=notes,
        histograms=_histograms(inspections, lexicon),
    )


def _spread(inspections: Sequence[Inspection], most: int) -> list[dict[int, list[Rule]]]:
    """Return for each source the rows to show and the rules that find them, evenly spread over all that they find."""
    shown: list[dict[int, list[Rule]]] = [{} for _ in inspections]
    for rule in RULES:
        rows = [np.flatnonzero(inspection.found(rule)) for inspection in inspections]
        ends = np.cumsum([len(part) for part in rows])
        if ends[-1] == 0:
            continue
        for place in np.unique(np.linspace(0, ends[-1] - 1, most).astype(int)):
            at = int(np.searchsorted(ends, place, side="right"))
            row = int(rows[at][place - ends[at]])  # counted from the end of its part
            shown[at].setdefault(row, []).append(rule)
    return shown


def _numbered(
    pairs: Iterator[Pair | Malformed], notes: list[str], dropped: TextIO | None
) -> Iterator[tuple[int, Pair]]:
    row = 0
    for pair in pairs:
        if isinstance(pair, Malformed):
            if len(notes) < _MOST_NOTES:
                notes.append(pair.note)
            if dropped is not None:
                dropped.write(f"malformed\t{pair.note}\t\t\t\n")
            continue
        yield row, pair
        row += 1


def _findings(inspection: Inspection) -> list[tuple[str, int, int]]:
    """Return what is the matter with stretches, and their first and last rows."""
    found = []
    for repair in inspection.source.repairs:
        for segment in repair.segments:
            if segment.swapped:
                found.append(("the columns are swapped: taken the right way round", segment))
            elif segment.offset:
                place = f"{abs(segment.offset)} line(s) {'below' if segment.offset > 0 else 'above'}"
                found.append((f"the foreign side belongs to the English {place}: re-aligned", segment))
    stretches = [(what, segment.start, segment.stop - 1) for what, segment in found]
    for start, stop in inspection.misaligned:
        stretches.append(("the sides do not belong together", start, stop - 1))
    return sorted(stretches, key=lambda stretch: stretch[1])


def _histograms(inspections: Sequence[Inspection], lexicon: Lexicon | None) -> list[Histogram]:
    ratios = [
        log_ratio(inspection.survey.english_length, inspection.survey.foreign_length) / np.log(2)
        for inspection in inspections
    ]
    histograms = [
        Histogram.of(
            "Length of the foreign side over the English one, log2",
            np.concatenate(ratios),
            np.linspace(-3, 3, 25),
        )
    ]
    if lexicon is not None:
        scores = lexicon.scores[~np.isnan(lexicon.scores)]
        histograms.append(
            Histogram.of("Share of words translated by the other side", scores, np.linspace(0, 1, 21))
        )
    return histograms


@contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    with replace_file(path) as temporary:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(temporary, "wt", encoding="utf-8", newline="\n") as file:
            yield file
