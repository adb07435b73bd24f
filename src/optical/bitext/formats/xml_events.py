"""XML as a stream of events, without what makes XML of strangers dangerous."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Literal, NamedTuple
from xml.parsers import expat

from optical.bitext.formats.text import LONGEST
from optical.errors import OpticalError
from optical.files import READ_ERRORS, BrokenFileError, read_error

_CHUNK = 1 << 16


class Event(NamedTuple):
    """The start or end of an element, or text inside one, in line ``line`` (from 1).

    ``name`` is the name of the element, or the text.
    """

    kind: Literal["start", "end", "text"]
    name: str
    attributes: dict[str, str]
    line: int


def xml_events(chunks: Iterable[bytes | str], file: str) -> Iterator[Event]:
    """Yield the events of a document that comes in pieces, none of them empty.

    A DTD is allowed but neither fetched nor read: nothing outside of the document is ever opened.

    Raises:
        OpticalError: the document defines entities, which can blow up to any size (the "billion laughs"), or (as
            :class:`BrokenFileError`) has a tag or comment without end.
        xml.parsers.expat.ExpatError: it is not well-formed.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    events: list[Event] = []

    def refuse(*_: object) -> None:
        raise OpticalError(
            f"{file}:{parser.CurrentLineNumber}: the file defines XML entities, which are refused. Remove them."
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        events.append(Event("start", name, attributes, parser.CurrentLineNumber))

    def end(name: str) -> None:
        events.append(Event("end", name, {}, parser.CurrentLineNumber))

    def text(characters: str) -> None:
        events.append(Event("text", characters, {}, parser.CurrentLineNumber))

    fed = 0
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    for chunk in itertools.chain(chunks, [b""]):
        try:
            parser.Parse(chunk, not chunk)
        except expat.ExpatError:
            yield from events
            raise
        yield from events
        events.clear()
        # The parser keeps a tag or comment until it ends.
        fed += len(chunk)
        if fed - parser.CurrentByteIndex > LONGEST:
            raise BrokenFileError(
                file, parser.CurrentLineNumber, f"a tag or comment over {LONGEST} bytes", "Mend the file."
            )
    # Or the parser and the functions above would hold each other in memory.
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
    parser.EntityDeclHandler = None


def read_xml(opened: Callable[[], IO[bytes]], file: str) -> Iterator[Event]:
    """Yield the events of a document in a stream of bytes; ``file`` is what errors call it.

    Raises:
        OpticalError: as :func:`xml_events`; the stream cannot be read, or (as :class:`BrokenFileError`) is broken XML
            or an archive cut short.
    """
    line = 0
    try:
        with opened() as stream:
            for event in xml_events(iter(functools.partial(stream.read1, _CHUNK), b""), file):  # type: ignore[attr-defined]
                line = event.line
                yield event
    except expat.ExpatError as error:
        problem = f"broken XML ({str(error).split(':')[0]})"
        raise BrokenFileError(file, error.lineno, problem, "Mend the file, or fetch it again.") from error
    except READ_ERRORS as error:
        raise read_error(file, line, error) from error
