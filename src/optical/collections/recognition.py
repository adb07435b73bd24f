"""One recogniser for every source of a collection: by its prefix, its name and the start of its text."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from optical.collections.collection import Collection
from optical.collections.formats import FORMATS
from optical.collections.judgements import Judgements
from optical.collections.texts import Passage
from optical.errors import OpticalError
from optical.files import READ_ERRORS, open_binary

_START = 1 << 20  # bytes; the first paragraph of an XQuAD-R file must lie in them


def open_collection(source: str | Path) -> Collection:
    """Return the collection at ``source``.

    ``source`` is a file or folder in any of :data:`optical.collections.formats.FORMATS`, or ``name:rest``, where
    ``name`` is one of them and ``rest`` a file, a folder, or for ``ir_datasets`` an id. A ``#`` and a word after
    it name the part: the language of the queries (MKQA, AfriQA) or the split of the judgements (BEIR).

    Raises:
        OpticalError: the file does not exist or its format is not known.
    """
    source = str(source)
    prefix, colon, rest = source.partition(":")
    if Path(source).exists():
        path, part = source, ""
    elif colon and prefix in FORMATS:
        path, _, part = (rest, "", "") if Path(rest).exists() else rest.partition("#")
        return FORMATS[prefix](path, part)
    else:
        path, _, part = source.rpartition("#")
        if not path or not Path(path).exists():
            path, part = source, ""
            if colon and re.fullmatch(r"[A-Za-z][\w-]+", prefix):
                raise OpticalError(f"{prefix} in {source} is no known format. {_known()}")
    start = _start(Path(path))
    for format in FORMATS.values():
        if format.recognises(Path(path), start):
            return format(path, part)
    raise OpticalError(f"{path} is in no known format. {_known()}")


def read_passages(source: str | Path) -> Iterator[Passage]:
    """Return an iterator over the passages of any source that :func:`open_collection` takes.

    Raises:
        OpticalError: as :func:`open_collection` and :meth:`Collection.passages`.
    """
    return open_collection(source).passages()


def read_queries(source: str | Path) -> dict[str, str]:
    """Return query id -> text of any source that :func:`open_collection` takes.

    Raises:
        OpticalError: as :func:`open_collection` and :meth:`Collection.queries`.
    """
    return open_collection(source).queries()


def read_judgements(source: str | Path) -> Judgements:
    """Return the judgements of any source that :func:`open_collection` takes.

    Raises:
        OpticalError: as :func:`open_collection` and :meth:`Collection.judgements`.
    """
    return open_collection(source).judgements()


def _start(path: Path) -> str:
    """Return the start of a file's text, empty where there is none to be had: reading it will say why."""
    if not path.is_file():
        return ""
    start = b""
    with suppress(*READ_ERRORS), open_binary(path) as file:
        while len(start) < _START and (block := file.read1(_START)):
            start += block
    return start.decode("utf-8-sig", errors="replace").lstrip()


def _known() -> str:
    return f"Name one of {', '.join(FORMATS)} before a colon, as in trec:FILE."
