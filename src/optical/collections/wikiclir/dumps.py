"""Wikimedia's dumps of pages (``*-pages-articles.xml.bz2``), read page by page.

The format is MediaWiki's XML export, versions 0.8 to 0.11: https://www.mediawiki.org/xml/export-0.11.xsd
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, NoReturn, cast
from xml.parsers import expat

from optical.errors import OpticalError

# What the decompressors of the standard library and expat raise for a file that is cut short or damaged.
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, expat.ExpatError)

_CHUNK_BYTES = 1 << 16
_SITE_ELEMENTS = frozenset(["dbname", "namespace"])
_PAGE_ELEMENTS = frozenset(["title", "ns", "id"])


class BrokenDumpError(OpticalError):
    """A dump that is cut short or damaged; what came before the damage has been read."""


@dataclass(frozen=True)
class Site:
    """The wiki that a dump is of."""

    database: str
    """For instance ``swwiki``."""
    namespaces: frozenset[str]
    """Names of all namespaces but that of articles, in the language of the wiki and in lower case."""

    @property
    def language(self) -> str:
        """The code by which other wikis link to this one: ``sw`` for ``swwiki``."""
        return self.database.removesuffix("wiki").replace("_", "-")


@dataclass(frozen=True)
class Page:
    """An article, or a redirect to one; other namespaces are not read."""

    id: int
    title: str
    redirect: str | None
    """Title of the page that this one redirects to."""
    text: str
    """Wikitext of the latest revision in the dump."""


def decompress(path: Path, raw: BinaryIO) -> BufferedIOBase:
    """Return a file that reads the content of ``raw``, which is compressed as the name ``path`` says."""
    if path.suffix == ".bz2":
        return bz2.BZ2File(raw)
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if path.suffix == ".xz":
        return lzma.LZMAFile(raw)
    return BufferedReader(cast(RawIOBase, raw))


def read_site(path: Path) -> Site:
    """Return what the head of a dump says of its wiki.

    Raises:
        OpticalError: the file is missing, unreadable or no dump of pages.
    """
    try:
        with path.open("rb") as raw:
            parser = _PageParser(path)
            file = decompress(path, raw)
            while parser.site is None and (chunk := file.read1(_CHUNK_BYTES)):
                parser.feed(chunk)
    except FileNotFoundError as error:
        raise OpticalError(f"{path} does not exist. Check the path.") from error
    except DAMAGE as error:
        raise _no_dump(path, f"cannot be read as a dump of pages ({error})") from error
    if parser.site is None:
        raise _no_dump(path, "has no <siteinfo>, so it is not a dump of pages")
    return parser.site


def read_pages(path: Path, raw: BinaryIO) -> Iterator[Page]:
    """Yield the articles and redirects of a dump, one in memory at a time.

    Args:
        path: names the file, also in errors, and tells its compression: ``.bz2`` (plain or multistream), ``.gz``,
            ``.xz`` or none.
        raw: the opened file, as it is on disk.

    Raises:
        BrokenDumpError: the compression or the XML is cut short or damaged.
        OpticalError: the XML has a document type declaration, which dumps have not and attacks have.
    """
    parser = _PageParser(path)
    try:
        file = decompress(path, raw)
        # Unlike read, read1 returns what is there before it meets damage.
        while chunk := file.read1(_CHUNK_BYTES):
            yield from parser.feed(chunk)
        yield from parser.feed(b"", final=True)
    except DAMAGE as error:
        raise BrokenDumpError(
            f"{path} is cut short or damaged after page {parser.last_title!r} ({error}). Fetch it again, or use "
            "what is there with --skip-bad."
        ) from error


class _PageParser:
    """Cuts a stream of XML into pages.

    Works on expat's events, without a tree: text that nobody asked for (other namespaces, comments, names of
    contributors) is passed over inside expat.
    """

    def __init__(self, path: Path) -> None:
        self.site: Site | None = None
        self.last_title = ""
        self._path = path
        self._pages: list[Page] = []
        self._parts: list[str] = []
        self._database = ""
        self._namespaces: set[str] = set()
        self._fields: dict[str, str] = {}
        self._redirect: str | None = None
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._refuse
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end

    def feed(self, chunk: bytes, final: bool = False) -> list[Page]:
        """Return the pages that end in this piece of the file."""
        self._expat.Parse(chunk, final)
        pages, self._pages = self._pages, []
        return pages

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "page":
            self._fields, self._redirect = {}, None
        elif name == "redirect":
            self._redirect = attributes.get("title", "")
        self._parts.clear()
        self._expat.CharacterDataHandler = self._parts.append if self._wanted(name) else None

    def _wanted(self, name: str) -> bool:
        if self.site is None:
            return name in _SITE_ELEMENTS
        # The first <id> is that of the page, later ones of its revision and contributor.
        return (name in _PAGE_ELEMENTS and name not in self._fields) or (
            name == "text" and self._fields.get("ns") == "0"
        )

    def _end(self, name: str) -> None:
        if self._expat.CharacterDataHandler is not None:
            self._keep(name, "".join(self._parts))
            self._parts.clear()
            self._expat.CharacterDataHandler = None
        elif name == "siteinfo":
            self.site = Site(self._database, frozenset(self._namespaces))
        elif name == "page":
            self._finish_page()

    def _keep(self, name: str, value: str) -> None:
        if self.site is not None:
            self._fields[name] = value
        elif name == "dbname":
            self._database = value
        elif value:
            self._namespaces.add(value.lower())

    def _finish_page(self) -> None:
        self.last_title = self._fields.get("title", "")
        if self._fields.get("ns") == "0":
            number = self._fields.get("id", "")
            if not number.isascii() or not number.isdigit():
                raise OpticalError(
                    f"{self._path}: page {self.last_title!r} has the id {number!r}, which is no number. "
                    "Fetch the dump again."
                )
            self._pages.append(
                Page(int(number), self.last_title, self._redirect, self._fields.get("text", ""))
            )

    def _refuse(self, *declaration: object) -> NoReturn:
        raise _no_dump(self._path, "has a document type declaration, which no dump has")


def _no_dump(path: Path, reason: str) -> OpticalError:
    return OpticalError(f"{path} {reason}. Give a file such as swwiki-latest-pages-articles.xml.bz2.")
