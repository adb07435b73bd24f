"""Passages and queries, as tab-separated lines or in the layout of BEIR (Thakur et al. 2021)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from optical.collections.lines import inside_beir_folder, text_lines
from optical.errors import OpticalError

MetadataValue: TypeAlias = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True)
class Passage:
    """One unit of retrieval; ``metadata`` is what searches can filter by."""

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, hash=False)

    @property
    def content(self) -> str:
        """What is encoded: title and text with a space between them, as BEIR does."""
        return f"{self.title} {self.text}".strip()


def read_passages(path: str | Path) -> Iterator[Passage]:
    """Return an iterator over the passages of a file or folder, one in memory at a time (and all ids).

    ``path`` is a file of lines ``id<TAB>text`` or ``id<TAB>title<TAB>text`` (the first line decides), a
    ``.jsonl`` file of objects with ``_id``, ``text`` and optionally ``title`` and ``metadata`` (an object of
    strings, numbers, true and false, and lists of strings; null is left out), or a BEIR folder, of which
    ``corpus.jsonl`` is read. Files may be compressed (``.gz``). A passage may lack a text if it has a title.

    Raises:
        OpticalError: the file is missing (at once); while iterating: it is empty, not UTF-8, a line has the
            wrong form, an id is empty or repeated, or a passage is empty.
    """
    return _records(inside_beir_folder(Path(path), "corpus.jsonl"), "passage", most_columns=3)


def read_queries(path: str | Path) -> dict[str, str]:
    """Return query id -> text, in the order of the file.

    ``path`` is a file of lines ``id<TAB>text``, a ``.jsonl`` file of objects with ``_id`` and ``text``, or a
    BEIR folder, of which ``queries.jsonl`` is read. Files may be compressed (``.gz``).

    Raises:
        OpticalError: the file is missing, empty or not UTF-8, a line has the wrong form, an id is empty or
            repeated, or a query is empty.
    """
    queries = _records(inside_beir_folder(Path(path), "queries.jsonl"), "query", most_columns=2)
    return {query.id: query.text for query in queries}


def _records(path: Path, kind: str, most_columns: int) -> Iterator[Passage]:
    lines = text_lines(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _checked(path, kind, _json_records(path, lines))
    return _checked(path, kind, _column_records(path, lines, most_columns))


def _checked(path: Path, kind: str, records: Iterator[tuple[int, Passage]]) -> Iterator[Passage]:
    seen: set[str] = set()
    for number, record in records:
        if not record.id:
            raise OpticalError(f"{path}:{number}: the {kind} id is empty. Give it one.")
        if record.id in seen:
            raise OpticalError(
                f"{path}:{number}: the {kind} id {record.id} occurs before. Rename or remove one."
            )
        if not record.content:
            raise OpticalError(
                f"{path}:{number}: the {kind} {record.id} is empty. Give it text or remove it."
            )
        seen.add(record.id)
        yield record
    if not seen:
        raise OpticalError(f"{path} has only empty lines. Name a file with a {kind} on each line.")


def _column_records(
    path: Path, lines: Iterator[tuple[int, str]], most_columns: int
) -> Iterator[tuple[int, Passage]]:
    form = "id<TAB>text" if most_columns == 2 else "id<TAB>text or id<TAB>title<TAB>text"
    expected = 0
    for number, line in lines:
        columns = [column.strip() for column in line.split("\t")]
        if not 2 <= len(columns) <= most_columns:
            raise OpticalError(f"{path}:{number}: {len(columns)} column(s) instead of {form}. Mend the line.")
        expected = expected or len(columns)
        if len(columns) != expected:
            raise OpticalError(
                f"{path}:{number}: {len(columns)} columns after lines with {expected}. Use one form only."
            )
        title = columns[1] if expected == 3 else ""
        yield number, Passage(columns[0], columns[-1], title)


def _json_records(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Passage]]:
    for number, line in lines:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise OpticalError(f"{path}:{number}: not JSON ({error}). Give one object a line.") from error
        if not isinstance(record, dict):
            raise OpticalError(f"{path}:{number}: not a JSON object. Give _id and text in braces.")
        yield (
            number,
            Passage(
                _string(path, number, record, "_id"),
                _string(path, number, record, "text"),
                _string(path, number, record, "title") if record.get("title") else "",
                _metadata(path, number, record.get("metadata") or {}),
            ),
        )


def _metadata(path: Path, number: int, metadata: object) -> dict[str, MetadataValue]:
    if not isinstance(metadata, dict):
        raise OpticalError(f"{path}:{number}: metadata is {metadata!r} instead of an object. Mend the line.")
    values: dict[str, MetadataValue] = {}
    for name, value in metadata.items():
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if any(not isinstance(text, str) or has_lone_surrogate(text) for text in texts) or not isinstance(
            value, (str, int, float, list, type(None))
        ):
            raise OpticalError(
                f"{path}:{number}: metadata {name} is {value!r}. Give a string, a number, true, false, or a list of "
                "strings."
            )
        if value is not None:
            values[name] = tuple(value) if isinstance(value, list) else value
    return values


def _string(path: Path, number: int, record: dict[str, object], name: str) -> str:
    if name not in record:
        raise OpticalError(f"{path}:{number}: {name} is missing. Give every object _id and text.")
    value = record[name]
    if not isinstance(value, str):
        raise OpticalError(f"{path}:{number}: {name} is {value!r} instead of a string. Write it in quotes.")
    if has_lone_surrogate(value):
        raise OpticalError(f"{path}:{number}: {name} has half a surrogate pair. Write the whole character.")
    return value.strip()


def has_lone_surrogate(text: str) -> bool:
    """Return whether half a character is in a text: then it is no Unicode, and no file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
