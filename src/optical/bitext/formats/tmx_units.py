"""A translation memory cut into its units, each whole or known to be broken."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple
from xml.parsers.expat import ExpatError

from optical.bitext.formats.text import LONGEST
from optical.bitext.formats.xml_events import xml_events
from optical.errors import OpticalError
from optical.files import READ_ERRORS, BrokenFileError, open_binary, read_error, require_file

_CHUNK = 1 << 15
_OVERLAP = 16  # characters; a border that a chunk cuts in two is found in the next
_BODY = re.compile(r"<body\s*>")
_END = re.compile(r"</tmx\s*>")
_BETWEEN = re.compile(r"<tu(?=[\s>])|</body\s*>|<!--")
_INSIDE = re.compile(r"</tu\s*>|<tu(?=[\s>])|</body\s*>|<!--|<!\[CDATA\[")
# One that opens again was never closed: then the next end belongs to another.
_CLOSING = {"<!--": re.compile("<!--|-->"), "<![CDATA[": re.compile(r"<!\[CDATA\[|\]\]>")}
_ENCODINGS = ("ascii", "utf-8", "utf-16", "iso8859", "cp125")
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([\w.-]+)["']""")


class Unit(NamedTuple):
    """The XML of a translation unit that starts in line ``line``, or what is wrong there."""

    line: int
    text: str
    problem: str | None = None


def translation_units(path: Path) -> Iterator[Unit]:
    """Yield the units of a translation memory, and what is broken between them, keeping one at a time.

    Raises:
        OpticalError: the header is broken (:class:`BrokenFileError`), defines entities or names an unusual encoding;
            the file cannot be read or is an archive cut short.
    """
    require_file(path)
    try:
        file = open_binary(path)
    except READ_ERRORS as error:
        raise read_error(path, 0, error) from error
    with file:
        window = _Window(file, path)
        _check_header(window, path)
        yield from _cut(window)


def _cut(window: "_Window") -> Iterator[Unit]:
    while True:
        border = window.find(_BETWEEN)
        # What is thrown away of text without any unit must not cut a border in two.
        reach = len(window.text) if window.ended else len(window.text) - _OVERLAP
        line = window.line
        between = window.take(border.start() if border else reach)
        if between.strip():
            line += between[: len(between) - len(between.lstrip())].count("\n")
            yield Unit(line, "", "text or broken XML between translation units")
        if border is None and window.ended:
            yield Unit(window.line, "", "the file ends without </body>")
            return
        if border is None:
            continue
        if border[0] == "<!--":
            if (end := window.closing(border[0], len(border[0]))) is None:
                yield Unit(window.line, "", "a comment without end")
            window.take(end or len(border[0]))
        elif border[0] == "<tu":
            yield _unit(window)
        else:
            if window.find(_END) is None:
                yield Unit(window.line, "", "the file ends without </tmx>")
            return


def _check_header(window: "_Window", name: Path) -> None:
    body = window.find(_BODY)
    if body is None:
        raise BrokenFileError(name, 1, "no <body>, so it is no translation memory", "Name a TMX file.")
    try:
        for _ in xml_events([window.take(body.end()), "</body></tmx>"], str(name)):
            pass
    except ExpatError as error:
        raise BrokenFileError(
            name, error.lineno, f"broken XML in the header ({error})", "Mend the file."
        ) from error


def _unit(window: "_Window") -> Unit:
    line, at = window.line, len("<tu")
    while (border := window.find(_INSIDE, at)) is not None:
        if border[0] in _CLOSING:
            at = window.closing(border[0], border.end()) or border.end()
        elif border[0].startswith("</tu"):
            return Unit(line, window.take(border.end()))
        else:
            return Unit(line, window.take(border.start()), "a translation unit without </tu>")
    if window.ended:
        return Unit(line, window.take(len(window.text)), "the file ends within a translation unit")
    window.take(len(window.text) - _OVERLAP)
    return Unit(line, "", f"a translation unit longer than {LONGEST} characters")


class _Window:
    """A stretch of the text of a file; ``line`` is the number of the line of its first character."""

    def __init__(self, file: IO[bytes], name: Path) -> None:
        self.text, self.line, self.ended = "", 1, False
        self._file, self._name = file, name
        first = self._read()
        # With "replace" a byte that is not in the encoding costs the unit that has it only.
        self._decoder = codecs.getincrementaldecoder(_encoding(first, name))("replace")
        self.text = self._decoder.decode(first)

    def find(self, pattern: re.Pattern[str], start: int = 0) -> re.Match[str] | None:
        """Return the first match from ``start`` on; while there is none, read on, up to :data:`LONGEST`."""
        while (match := pattern.search(self.text, start)) is None:
            if self.ended or len(self.text) >= LONGEST:
                return None
            start = max(start, len(self.text) - _OVERLAP)
            chunk = self._read()
            self.ended = not chunk
            self.text += self._decoder.decode(chunk, final=self.ended)
        return match

    def closing(self, opening: str, start: int) -> int | None:
        """Return where a comment or a CDATA section ends that opened before ``start``; None if it does not."""
        end = self.find(_CLOSING[opening], start)
        return None if end is None or end[0] == opening else end.end()

    def take(self, end: int) -> str:
        """Remove and return the first ``end`` characters."""
        taken, self.text = self.text[:end], self.text[end:]
        self.line += taken.count("\n")
        return taken

    def _read(self) -> bytes:
        try:
            return self._file.read1(_CHUNK)  # type: ignore[attr-defined, no-any-return]
        except READ_ERRORS as error:
            raise read_error(self._name, self.line - 1, error) from error


def _encoding(start: bytes, name: Path) -> str:
    """Return the encoding of a document that begins with ``start`` (XML 1.0, appendix F)."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start[:2] in (b"<\0", b"\0<"):
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    declared = _DECLARED.match(start)
    # Bytes that read as ASCII are not UTF-16, whatever they declare.
    if declared is None or declared[1].lower().startswith(b"utf-16"):
        return "utf-8"
    encoding = declared[1].decode("ascii", "replace")
    try:
        normal = codecs.lookup(encoding).name
    except LookupError:
        normal = ""
    if not normal.startswith(_ENCODINGS):
        raise OpticalError(f"{name} is encoded as {encoding}, which is not read here. Save it as UTF-8.")
    return normal
