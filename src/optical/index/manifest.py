"""What an index says of itself: its format, its teacher, what built it, and whether it was left in order."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sentence_transformers import MultiVectorEncoder

from optical.encoders import fingerprint, versions
from optical.errors import OpticalError
from optical.files import replace_file
from optical.index.shard import writing

FORMAT = 2
_FINISHED = "index.json"
# The manifest's name until everything is indexed that was to be.
_UNFINISHED = "unfinished.json"

_fingerprints: WeakKeyDictionary[MultiVectorEncoder, str] = WeakKeyDictionary()


class Manifest:
    """The manifest of the index in ``folder``; its facts are in a JSON file.

    Attributes:
        facts: ``format``, ``teacher`` (fingerprint), ``dimension``, ``compact`` (whether vectors are stored with 8
            bits), ``created`` (ISO 8601, UTC), ``versions`` (of the packages that built the index), and
            ``passages``: how many there were when the index was last flushed, None while it is being changed.
    """

    def __init__(self, folder: Path, *, finished: bool = True) -> None:
        """Read the manifest; with ``finished=False`` that of an unfinished index.

        Raises:
            OpticalError: there is no index, it is unfinished, its manifest is damaged, or another version made it.
        """
        self._folder = folder
        self._file = folder / (_FINISHED if finished else _UNFINISHED)
        self.facts = _read(folder, self._file)

    @staticmethod
    def create(folder: Path, encoder: MultiVectorEncoder, dimension: int, compact: bool) -> None:
        """Write the manifest of an unfinished index."""
        facts = {
            "format": FORMAT,
            "teacher": _teacher_of(encoder),
            "dimension": dimension,
            "compact": compact,
            "passages": None,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": versions(),
        }
        _write(folder / _UNFINISHED, facts)

    @staticmethod
    def is_unfinished(folder: Path) -> bool:
        """Return whether there is an unfinished index in ``folder``."""
        return (folder / _UNFINISHED).exists()

    @staticmethod
    def is_finished(folder: Path) -> bool:
        """Return whether there is an index in ``folder`` that was finished once."""
        return (folder / _FINISHED).exists()

    def begin_change(self) -> None:
        """Note, before passages come or go, that their number is not known."""
        if self.facts["passages"] is not None:
            self._note_passages(None)

    def end_change(self, count: int) -> None:
        """Note the number of passages once all changes are on the disk."""
        if self.facts["passages"] is None and self._file.name == _FINISHED:
            self._note_passages(count)

    def finish(self) -> None:
        """Make an index of an unfinished one."""
        with writing(self._folder):
            self._file = self._file.rename(self._folder / _FINISHED)

    def require_teacher(self, encoder: MultiVectorEncoder) -> None:
        """Raise :class:`OpticalError` unless ``encoder`` belongs to the teacher that built the index."""
        given, own = _teacher_of(encoder), self.facts["teacher"]
        if given != own:
            raise OpticalError(
                f"The index {self._folder} was built with teacher {own}, but the encoder belongs to {given}. "
                "Search with an encoder distilled from the teacher that built this index, or rebuild."
            )

    def _note_passages(self, count: int | None) -> None:
        self.facts["passages"] = count
        with writing(self._folder):
            _write(self._file, self.facts)


def _teacher_of(encoder: MultiVectorEncoder) -> str:
    """Return the fingerprint of the encoder's teacher, computed once for each encoder object."""
    if encoder not in _fingerprints:
        _fingerprints[encoder] = fingerprint(encoder)
    return _fingerprints[encoder]


def _write(file: Path, facts: dict[str, Any]) -> None:
    with replace_file(file) as temporary:
        temporary.write_text(json.dumps(facts, indent=2), encoding="utf-8")


def _read(folder: Path, file: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise OpticalError(f"There is no folder {folder}. Give the folder of an index, or build one there.")
    if not file.exists() and Manifest.is_unfinished(folder):
        raise OpticalError(
            f"The index {folder} is unfinished. Build it again with the same passages and encoder; it goes on from "
            "there."
        )
    try:
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = int(facts["format"])
        if found == FORMAT:
            for name, kind in (("teacher", str), ("dimension", int), ("compact", bool)):
                if not isinstance(facts[name], kind):
                    raise ValueError(f"{name} is {facts[name]!r}")
    except FileNotFoundError as error:
        raise OpticalError(
            f"{folder} is not an index (it has no {_FINISHED}). Give the folder of an index."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OpticalError(
            f"{file} is damaged ({error}). Restore the index from a copy, or build it again."
        ) from error
    if found > FORMAT:
        raise OpticalError(
            f"{folder} was made by a newer version of optical (format {found}; this one reads {FORMAT}). "
            "Upgrade optical."
        )
    if found < FORMAT:
        raise OpticalError(
            f"{folder} was made by an older version of optical (format {found}; this one reads {FORMAT}). "
            "Remove the folder, and build it again."
        )
    return facts
