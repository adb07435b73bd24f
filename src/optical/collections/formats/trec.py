"""TREC: topics (``<top>`` as since 1992, or XML), documents (``<DOC>``) and qrels.

Source: https://trec.nist.gov/data/topics_eng and the readers of ir_datasets 0.6
(``ir_datasets/formats/trec.py``), which the field names and content tags follow.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from optical.collections.collection import Collection, Description
from optical.collections.judgements import Judgements, read_judgements
from optical.collections.lines import text_lines
from optical.collections.texts import Passage
from optical.errors import OpticalError

_TITLE_TAGS = ("title", "headline", "ttl", "hl", "head")
_TEXT_TAGS = ("leadpara", "lp", "text")
_FIELD = re.compile(r"<(num|title|desc|narr)>(?:\s*(?:Number|Topic|Description|Narrative):)?", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


class Trec(Collection):
    """Topics are queries: their title, or where it is empty their description. Documents are passages."""

    description = Description(
        name="trec",
        content="TREC topics (<top> or XML), documents (<DOC>) or qrels",
        direction="any; topics of the cross-language tracks are English",
        licence="of the data: most documents of TREC need an agreement",
        citation="Voorhees and Harman 2005, TREC: Experiment and Evaluation in Information Retrieval",
        origin="https://trec.nist.gov/data.html",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """A file that begins with ``<top>``, ``<topics>``, ``<DOC>`` or an XML declaration before ``<topics>``."""
        start = re.sub(r"^<\?xml[^>]*>\s*", "", start)
        start = re.sub(r"^(<!--.*?-->\s*)+", "", start, flags=re.DOTALL)
        return re.match(r"<(top|topics|doc|!doctype topics)\b", start, re.IGNORECASE) is not None

    def read_queries(self, language: str | None) -> Iterator[tuple[str, str, str]]:
        """Yield the topics."""
        lines = list(text_lines(Path(self.source)))
        if any(line.lstrip().lower().startswith("<top>") for _, line in lines):
            return self._top_elements(lines)
        return self._xml_topics(lines)

    def judgements(self) -> Judgements:
        """See :func:`optical.collections.judgements.read_judgements`."""
        return read_judgements(self.source)

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the documents, one in memory at a time."""
        for where, document in self._blocks(text_lines(Path(self.source)), "doc"):
            identifier = _element(document, ("docno",))
            if not identifier:
                raise OpticalError(f"{where}: <DOC> without <DOCNO>. Give the document its number.")
            yield where, Passage(identifier, _element(document, _TEXT_TAGS), _element(document, _TITLE_TAGS))

    def _top_elements(self, lines: list[tuple[int, str]]) -> Iterator[tuple[str, str, str]]:
        for where, topic in self._blocks(iter(lines), "top"):
            pieces = _FIELD.split(topic)
            fields = {
                name.lower(): _plain(text) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)
            }
            if not fields.get("num"):
                raise OpticalError(f"{where}: <top> without <num>. Give the topic its number.")
            yield where, fields["num"], fields.get("title") or fields.get("desc", "")

    def _xml_topics(self, lines: list[tuple[int, str]]) -> Iterator[tuple[str, str, str]]:
        text = "\n".join(line for _, line in lines)
        # Entities are the one way in which a small XML file fills the memory; topics have no use for them.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise OpticalError(f"{self.source} has a DOCTYPE, which is not read for safety. Remove it.")
        try:
            topics = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*>", "", text))
        except ElementTree.ParseError as error:
            line, character = error.position
            number = lines[min(line, len(lines)) - 1][0]
            raise OpticalError(
                f"{self.source}:{number}: broken XML at character {character + 1}. Mend it, or fetch the file again."
            ) from error
        for position, topic in enumerate(topics, start=1):
            where = f"{self.source}: topic {position}"
            fields = {element.tag.lower(): _plain("".join(element.itertext())) for element in topic}
            identifier = topic.get("number") or topic.get("id") or fields.get("num") or fields.get("number")
            if not identifier:
                raise OpticalError(f"{where} has no number. Give it the attribute number.")
            names = ("query", "title", "desc", "description")
            text = next((fields[name] for name in names if fields.get(name)), _plain(topic.text or ""))
            yield where, identifier.strip(), text

    def _blocks(self, lines: Iterator[tuple[int, str]], tag: str) -> Iterator[tuple[str, str]]:
        """Yield (place, text) of each ``<tag>`` ... ``</tag>``, whose tags begin a line."""
        begun = 0
        block: list[str] = []
        for number, line in lines:
            bare = line.strip().lower()
            if bare.startswith(f"<{tag}>"):
                if begun:
                    raise OpticalError(f"{self.source}:{begun}: <{tag}> without </{tag}>. Add it.")
                begun, block = number, []
            if begun:
                block.append(line)
            if begun and bare.endswith(f"</{tag}>"):
                yield f"{self.source}:{begun}", "\n".join(block)
                begun = 0
        if begun:
            raise OpticalError(
                f"{self.source}:{begun}: <{tag}> without </{tag}>. The file ends too early: fetch it again."
            )


def _element(document: str, tags: tuple[str, ...]) -> str:
    """Return the plain text inside all elements of these tags."""
    found = re.finditer(rf"<({'|'.join(tags)})\b[^>]*>(.*?)</\1>", document, re.DOTALL | re.IGNORECASE)
    return " ".join(filter(None, (_plain(match[2]) for match in found)))


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())
