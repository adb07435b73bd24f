"""Corpora of OPUS in XML: an alignment file (XCES) and, beside it, a zip of documents for each language.

The alignment ``en-sw.xml.gz`` says which sentences of ``en.zip`` belong to which of ``sw.zip`` (or of
``Corpus_latest_raw_en.zip`` and so on, as OPUS names them when downloaded).
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from zipfile import ZipFile

from optical.bitext.formats.archives import member_opener, open_archive
from optical.bitext.formats.text import choose_languages
from optical.bitext.formats.xml_events import read_xml
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.errors import OpticalError
from optical.files import open_binary, require_file

_MOST_CHARACTERS = 1 << 27
"""Of a document; its sentences are kept while its links are read."""


def read(source: Source, _skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield a pair for every link of the alignment, several sentences of one side joined by spaces.

    A link that leaves one side without sentence is a pair with an empty side.
    """
    place = source.place
    path = Path(place)
    require_file(path)
    sides: list[_Document] = []
    english = foreign = 0
    with ExitStack() as stack:
        archives: dict[str, _Archive] = {}
        for event in read_xml(partial(open_binary, path), place):
            if event.kind != "start":
                continue
            if event.name == "linkGrp":
                names = [event.attributes.get(end, "") for end in ("fromDoc", "toDoc")]
                languages = [name.split("/")[0] for name in names]
                english, foreign = _sides(source, event.line, languages)
                for language in languages:
                    if language not in archives:
                        archives[language] = _Archive(path.parent, language, stack)
                sides = [
                    archives[language].document(name) for language, name in zip(languages, names, strict=True)
                ]
            elif event.name == "link":
                targets = event.attributes.get("xtargets", "").split(";")
                try:
                    if len(targets) != 2 or not sides:
                        raise ValueError("a link without two sides")
                    texts = [
                        document.text(identifiers)
                        for document, identifiers in zip(sides, targets, strict=True)
                    ]
                except ValueError as error:
                    yield Malformed(f"{place}:{event.line}: {error}")
                else:
                    yield Pair(texts[english], texts[foreign], place, event.line)


def _sides(source: Source, line: int, languages: list[str]) -> tuple[int, int]:
    try:
        english, foreign = choose_languages(languages, source)
    except ValueError as error:
        raise OpticalError(f"{source.place}:{line}: {error}.") from error
    if english is None or foreign is None:
        raise OpticalError(
            f"{source.place}:{line}: the documents are in {' and '.join(languages)}, of which not exactly one is the "
            "English side. Add ?english=CODE&foreign=CODE to the source."
        )
    return languages.index(english), languages.index(foreign)


class _Document:
    """The sentences of a document by their identifiers."""

    def __init__(self, name: str, sentences: dict[str, str]) -> None:
        self._name, self._sentences = name, sentences

    def text(self, identifiers: str) -> str:
        """Return the sentences named, joined by spaces; raise ValueError if there is no such sentence."""
        try:
            return " ".join(self._sentences[identifier] for identifier in identifiers.split())
        except KeyError as error:
            raise ValueError(f"{self._name} has no sentence {error.args[0]}") from error


class _Archive:
    """The documents of one language."""

    def __init__(self, folder: Path, language: str, stack: ExitStack) -> None:
        zips = sorted(folder.glob("*.zip"))
        named = [path for path in zips if path.stem == language] or [
            path for path in zips if path.stem.endswith(f"_{language}")
        ]
        if len(named) != 1:
            found = ", ".join(path.name for path in named) or "none"
            raise OpticalError(
                f"{folder} should have one zip of the documents in {language}, but has {found}. "
                f"Fetch it from OPUS and place it there as {language}.zip."
            )
        self._path = named[0]
        self._archive: ZipFile = stack.enter_context(open_archive(self._path))
        self._members = {_inside(member, language): member for member in self._archive.namelist()}

    def document(self, name: str) -> _Document:
        """Return the document that an alignment calls ``name``, such as en/2001/5.xml.gz."""
        member = self._members.get(name.removesuffix(".gz"))
        if member is None:
            raise OpticalError(
                f"{self._path} has no document {name}. Fetch the release that the alignment is of."
            )
        file = f"{self._path}/{member}"
        opened = member_opener(self._archive, member)
        sentences: dict[str, str] = {}
        words: list[str] = []
        parts: list[str] = []
        identifier, size = "", 0
        for event in read_xml(opened, file):
            if event.kind == "text":
                parts.append(event.name)
            elif event.name == "s":
                if event.kind == "start":
                    identifier = event.attributes.get("id", "")
                else:
                    sentences[identifier] = " ".join(words or "".join(parts).split())
                    words.clear()
                parts.clear()
            elif event.name == "w":
                if event.kind == "end":
                    words.append("".join(parts).strip())
                parts.clear()
            size += len(event.name)
            if size > _MOST_CHARACTERS:
                raise OpticalError(
                    f"{file} is too large to look sentences up in. Fetch the corpus as Moses zip instead."
                )
        return _Document(file, sentences)


def _inside(member: str, language: str) -> str:
    """Return the path of a member from the folder of its language on, as alignments have it."""
    parts = member.removesuffix(".gz").split("/")
    return "/".join(parts[parts.index(language) :] if language in parts else parts)
