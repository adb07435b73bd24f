"""Translation memories: TMX 1.1 to 1.4b (https://www.gala-global.org/tmx-14b), in memory that does not grow.

The file is cut into its translation units and each is parsed by itself, so that broken XML costs no more than the unit
that has it, and nothing but the unit at hand is kept.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError

from optical.bitext.formats.text import choose_languages, one_line
from optical.bitext.formats.tmx_units import Unit, translation_units
from optical.bitext.formats.xml_events import xml_events
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.files import BrokenFileError

_CODES = ("bpt", "ept", "ph", "it", "ut")  # what is inside of these is no text of the sentence


def read(source: Source, skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield the pairs of a translation memory; a unit that lacks a language is a pair with an empty side.

    Of several variants in one language the first counts. Inline codes (bpt, ept, it, ph, ut and the sub-flows in them)
    are left out, and of hi only the tags.
    """
    for unit in translation_units(Path(source.place)):
        try:
            yield _pair(unit, source)
        except BrokenFileError as broken:
            if not skip_bad:
                raise
            yield Malformed(broken.note)
        except ValueError as error:
            yield Malformed(f"{source.place}:{unit.line}: {error}")


def _pair(unit: Unit, source: Source) -> Pair:
    remedy = "Mend the file, or skip what is broken (--skip-bad)."
    if unit.problem:
        raise BrokenFileError(source.place, unit.line, unit.problem, remedy)
    if "\ufffd" in unit.text:
        raise ValueError("text that is not in the encoding of the file")
    try:
        segments = _segments(unit)
    except ExpatError as error:
        line = unit.line + error.lineno - 1
        raise BrokenFileError(
            source.place, line, f"broken XML ({str(error).split(':')[0]})", remedy
        ) from error
    english, foreign = choose_languages(segments, source)
    return Pair(segments.get(english or "", ""), segments.get(foreign or "", ""), source.place, unit.line)


def _segments(unit: Unit) -> dict[str, str]:
    """Return the text of each language of a unit."""
    segments: dict[str, str] = {}
    parts: list[str] = []
    language, inside, codes = "", False, 0
    for event in xml_events([unit.text], ""):
        if event.kind == "text":
            if inside and not codes:
                parts.append(event.name)
        elif event.name in _CODES:
            codes += 1 if event.kind == "start" else -1
        elif event.name == "tuv" and event.kind == "start":
            language = event.attributes.get("xml:lang") or event.attributes.get("lang", "")
            if not language:
                raise ValueError("a variant without xml:lang")
        elif event.name == "seg":
            inside = event.kind == "start"
            if not inside:
                segments.setdefault(language, one_line("".join(parts)))
            parts.clear()
    return segments
