"""An index in a folder: its manifest in a JSON file, its centroids in another, its passages in a shard."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optical.errors import OpticalError
from optical.files import (
    copy_folder,
    create_folder,
    remove_unfinished,
    replace_file,
    require_absent,
    sync_folder,
)
from optical.index.centroids import Centroids
from optical.index.engine import Engine
from optical.index.local import LocalEngine
from optical.index.manifest import check_facts, damaged_manifest, lexical_of, unfinished
from optical.index.shard import bytes_on_disk, damaged, writing

_FINISHED = "index.json"
# The manifest's name until everything is indexed that was to be.
_UNFINISHED = "unfinished.json"
_SHARD = "shard"


class FolderPlace:
    """The place of an index in a folder; see :class:`optical.index.engine.Place`."""

    def __init__(self, folder: Path, *, copy: "TemporaryDirectory[str] | None" = None) -> None:
        self.folder = folder
        self._copy = copy
        self._file = folder / _FINISHED
        self._facts: dict[str, Any] = {}
        self._centroids: Centroids | None = None

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def is_unfinished(self) -> bool:
        """Whether there is an unfinished index."""
        return (self.folder / _UNFINISHED).exists()

    @property
    def is_finished(self) -> bool:
        """Whether there is a finished index, whatever its condition."""
        return (self.folder / _FINISHED).exists()

    def require_new(self) -> None:
        """Raise :class:`OpticalError` if something is there that is no unfinished index."""
        if not self.is_unfinished:
            require_absent(self.folder)

    def create(self, facts: dict[str, Any]) -> None:
        """Make an unfinished, empty index with these facts, all or nothing."""
        with writing(self.folder), create_folder(self.folder) as temporary:
            _write(temporary / _UNFINISHED, facts)
            LocalEngine.create(
                temporary / _SHARD, facts["dimension"], compact=facts["compact"], lexical=lexical_of(facts)
            ).close()

    def open(self, *, finished: bool) -> tuple[dict[str, Any], LocalEngine]:
        """Return facts and engine of the index, whose centroids are read, too.

        Raises:
            OpticalError: there is no index, it is unfinished (or finished), open elsewhere, damaged, or of another
                version.
        """
        self._file = self.folder / (_FINISHED if finished else _UNFINISHED)
        self._facts = self._read()
        engine = LocalEngine.open(
            self.folder / _SHARD,
            self._facts["dimension"],
            compact=self._facts["compact"],
            lexical=lexical_of(self._facts),
        )
        try:
            # Only who has the engine writes these files.
            remove_unfinished(self._file)
            remove_unfinished(self._centroids_file)
            count = engine.count
            if self._facts["passages"] not in (None, count):
                raise damaged(self.folder, f"it has {count} passages, and had {self._facts['passages']}")
            self._centroids = Centroids.load(self._centroids_file) if self._centroids_file.exists() else None
        except BaseException:
            engine.close()
            raise
        return self._facts, engine

    def temporary_copy(self) -> "FolderPlace":
        """Return a copy, in the system's folder for temporary files, that :meth:`close` removes."""
        copy = TemporaryDirectory(prefix="optical-index-")
        target = Path(copy.name) / self.folder.name
        copy_folder(self.folder, target)
        return FolderPlace(target, copy=copy)

    def finish(self) -> None:
        """Make an index of the unfinished one that is open."""
        with writing(self.folder):
            self._file = self._file.rename(self.folder / _FINISHED)
            sync_folder(self.folder)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Remove the folder if it is a temporary copy."""
        if self._copy is not None:
            self._copy.cleanup()

    def begin_change(self) -> None:
        """Note, before passages come or go, that their number is not known."""
        if self._facts["passages"] is not None:
            self._note_passages(None)

    def end_change(self, engine: Engine) -> None:
        """Note the number of passages once all changes are on the disk."""
        if self._facts["passages"] is None:
            self._note_passages(engine.count)

    @property
    def centroids(self) -> Centroids | None:
        """Those that the passages are marked by, if they are."""
        return self._centroids

    def put_centroids(self, centroids: Centroids | None) -> None:
        """Replace the centroids, or remove them."""
        if centroids is None:
            self._centroids = None
            self._centroids_file.unlink(missing_ok=True)
            sync_folder(self.folder)
            return
        with writing(self.folder):
            centroids.save(self._centroids_file)
        self._centroids = centroids

    @property
    def bytes(self) -> int:
        """Space that the folder takes on the disk."""
        return bytes_on_disk(self.folder)

    @property
    def _centroids_file(self) -> Path:
        return self.folder / "centroids.safetensors"

    def _note_passages(self, count: int | None) -> None:
        self._facts["passages"] = count
        with writing(self.folder):
            _write(self._file, self._facts)

    def _read(self) -> dict[str, Any]:
        if not self.folder.is_dir():
            raise OpticalError(
                f"There is no folder {self.folder}. Give the folder of an index, or build one there."
            )
        if not self._file.exists() and self.is_unfinished:
            raise unfinished(self.folder)
        try:
            facts: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise OpticalError(
                f"{self.folder} is not an index (it has no {_FINISHED}). Give the folder of an index."
            ) from error
        except ValueError as error:
            raise damaged_manifest(self._file, error) from error
        check_facts(facts, self.folder, source=self._file)
        return facts


def _write(file: Path, facts: dict[str, Any]) -> None:
    with replace_file(file) as temporary:
        temporary.write_text(json.dumps(facts, indent=2), encoding="utf-8")
