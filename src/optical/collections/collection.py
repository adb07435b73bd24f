"""One abstraction over every format: passages, queries, judgements and training triples of one source."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from optical.collections.judgements import Judgements
from optical.collections.texts import Passage
from optical.errors import OpticalError

Records = TypeVar("Records", set[str], dict[str, str], Judgements)


@dataclass(frozen=True)
class Description:
    """What a format says of itself.

    Args:
        name: how it is named before a colon, as in ``mkqa:FILE``.
        content: which files or folders it reads.
        direction: which side is English.
        licence: terms of the data that is published in it; "of the data" where the format is only a layout.
        citation: paper, with its identifier.
        origin: where the data and the specification are.
        part: what may follow ``#`` in a source; empty if nothing.
    """

    name: str
    content: str
    direction: str
    licence: str
    citation: str
    origin: str
    part: str = ""


class Collection:
    """A source in one format; everything in it is read when it is asked for.

    A format derives from this class and overrides what it has of :meth:`recognises`, :meth:`languages`,
    :meth:`read_passages`, :meth:`read_queries`, :meth:`read_judgements` and :meth:`triples`. The readers yield
    records with the place they were found at (``file:line``, the path inside a JSON file), and this class
    checks them: no empty id or text, nothing twice.

    Args:
        source: file, folder, or an id of the format.
        part: what follows ``#`` in a source: the language of the queries or the split, as the format says.

    Raises:
        OpticalError: the format has no parts.
    """

    description: ClassVar[Description]

    def __init__(self, source: str, part: str = "") -> None:
        if part and not self.description.part:
            raise OpticalError(f"{source} has no parts to choose from. Remove #{part}.")
        self.source = source
        self.part = part

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Whether the file or folder ``path`` has this format; ``start`` is the start of a file's text."""
        return False

    def languages(self) -> list[str]:
        """Return the languages that :meth:`queries` can be asked for; empty if there is one, not named."""
        return []

    def passages(self) -> Iterator[Passage]:
        """Return an iterator over the passages, one in memory at a time (and all ids).

        Raises:
            OpticalError: there are none, or while iterating: an id is empty or repeated, a passage is empty,
                or the source breaks its format.
        """
        return _checked_passages(self.source, self.read_passages())

    def queries(self, language: str | None = None) -> dict[str, str]:
        """Return query id -> text, in the order of the source.

        Args:
            language: one of :meth:`languages`, ``en`` for the English translations where the set has them; by
                default that of the source's part, or the only one.

        Raises:
            OpticalError: there are none, none in this language, an id is empty or repeated, a query is empty,
                or the source breaks its format.
        """
        queries: dict[str, str] = {}
        for where, query, text in self.read_queries(self.language(language)):
            if not query:
                raise OpticalError(f"{where}: the query id is empty. Give it one.")
            if not text:
                raise OpticalError(f"{where}: the query {query} is empty. Give it text or remove it.")
            if query in queries:
                raise OpticalError(f"{where}: the query id {query} occurs before. Rename or remove one.")
            queries[query] = text
        return _not_empty(self.source, "queries", queries)

    def judgements(self) -> Judgements:
        """Return the judgements.

        Raises:
            OpticalError: there are none, an id is empty, a pair is judged twice, or the source breaks its
                format.
        """
        judgements: Judgements = {}
        for where, query, passage, relevance in self.read_judgements():
            if not query or not passage:
                raise OpticalError(f"{where}: an id is empty. Give the query and the passage their ids.")
            judged = judgements.setdefault(query, {})
            if passage in judged:
                raise OpticalError(f"{where}: query {query} judges passage {passage} again. Remove one.")
            judged[passage] = relevance
        return _not_empty(self.source, "judgements", judgements)

    def triples(self) -> Iterator[tuple[str, str, str]] | None:
        """Return an iterator of (query id, id of a better passage, id of a worse one), or None if there are none."""
        return None

    def contents(self, wanted: set[str] | None) -> Mapping[str, str]:
        """Return passage id -> content, of the ``wanted`` passages (None: all) that are there.

        One pass over the passages; only what is wanted is kept. A format with random access overrides it.
        """
        return {
            passage.id: passage.content
            for passage in self.passages()
            if wanted is None or passage.id in wanted
        }

    def language(self, asked: str | None) -> str | None:
        """Return the language to read queries in: as asked, or as the source's part says.

        Raises:
            OpticalError: the source has it not, or has several and none was named.
        """
        there = self.languages()
        if not there:
            return asked
        language = asked or self.part
        if language in there:
            return language
        wrong = f"has no queries in {language!r}" if language else f"has queries in {len(there)} languages"
        raise OpticalError(
            f"{self.source} {wrong}. Name one of {', '.join(there)}, as in {self.source}#{there[-1]}."
        )

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Return an iterator of (place, passage)."""
        raise self.lacks("passages")

    def read_queries(self, language: str | None) -> Iterator[tuple[str, str, str]]:
        """Return an iterator of (place, query id, text)."""
        raise self.lacks("queries")

    def read_judgements(self) -> Iterator[tuple[str, str, str, int]]:
        """Return an iterator of (place, query id, passage id, relevance)."""
        raise self.lacks("judgements")

    def lacks(self, what: str) -> OpticalError:
        """Return the error for a part that this source does not have."""
        return OpticalError(
            f"{self.source} is read as {self.description.content} and has no {what}. "
            f"Name another source for the {what}."
        )


def _checked_passages(source: str, records: Iterable[tuple[str, Passage]]) -> Iterator[Passage]:
    seen: set[str] = set()
    for where, passage in records:
        if not passage.id:
            raise OpticalError(f"{where}: the passage id is empty. Give it one.")
        if passage.id in seen:
            raise OpticalError(f"{where}: the passage id {passage.id} occurs before. Rename or remove one.")
        if not passage.content:
            raise OpticalError(f"{where}: the passage {passage.id} is empty. Give it text or remove it.")
        seen.add(passage.id)
        yield passage
    _not_empty(source, "passages", seen)


def _not_empty(source: str, what: str, records: Records) -> Records:
    if not records:
        raise OpticalError(f"{source} has no {what}. Name a source with some.")
    return records
