"""The index of a passage collection: build, open, change, search."""

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.files import create_folder, require_absent
from optical.index.engine import Engine, check_k, check_vectors
from optical.index.exact import ExactEngine
from optical.index.manifest import MANIFEST, new_manifest, read_manifest, teacher_of
from optical.index.queries import check_query_texts
from optical.index.store import PassageStore

# Batches encoded and stored at a time: enough passages for the encoder to sort them by length.
_BATCHES = 32


@dataclass(frozen=True)
class Hit:
    """One search result: ``rank`` counts from 1, ``score`` is MaxSim summed over the query's tokens."""

    id: str
    score: float
    rank: int
    title: str
    text: str


class Index:
    """English passages as token vectors of one teacher, searched by any query encoder distilled from it.

    On disk one folder, which may be moved and copied. Changes are seen by searches at once and are durable
    after :meth:`flush` (or :meth:`close`); a process that dies leaves the state of its last flush. Searching
    from several threads is safe; one process at a time may change an index.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], store: PassageStore, engine: Engine) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self._path = path
        self._manifest = manifest
        self._store = store
        self._engine = engine
        self._closed = False

    @classmethod
    def create(
        cls,
        path: str | Path,
        encoder: MultiVectorEncoder,
        passages: Iterable[Passage],
        *,
        batch_size: int = 32,
        progress: bool = False,
    ) -> "Index":
        """Encode ``passages`` with the document side of ``encoder`` and index them in a new folder ``path``.

        Passages are read as they are needed, so they may be a generator larger than memory. Nothing is at
        ``path`` before everything is.

        Raises:
            OpticalError: ``path`` exists, there are no passages, an id occurs twice, the encoder's vectors
                are unusable, or the disk is full.
        """
        path = Path(path)
        require_absent(path)
        stream = iter(passages)
        first = next(stream, None)
        if first is None:
            raise OpticalError("There are no passages to index. Give a collection with at least one passage.")
        with ExitStack() as stack:
            with _writing(path):
                folder = stack.enter_context(create_folder(path))
                manifest = new_manifest(encoder)
                (folder / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
                dimension = int(encoder.encode_document([first.content], convert_to_numpy=True)[0].shape[-1])
                store = PassageStore(folder / "passages.sqlite", new=True)
                engine = ExactEngine.create(folder / "vectors", dimension)
            index = cls(path, manifest, store, engine)
            stack.callback(index._abandon)
            stream = itertools.chain([first], stream)
            if progress:
                total = len(passages) if isinstance(passages, Sequence) else None
                stream = iter(track(stream, "Indexing passages", total, console=Console(stderr=True)))
            index._add(stream, encoder, batch_size)
            index.close()
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> "Index":
        """Open an index as its last flush left it.

        Raises:
            OpticalError: there is no index at ``path``, it was made by a newer version, or files are missing,
                truncated or corrupt.
        """
        path = Path(path)
        manifest = read_manifest(path)
        with ExitStack() as stack, _reading(path):
            store = PassageStore(path / "passages.sqlite")
            stack.callback(store.close)
            engine = ExactEngine.open(path / "vectors")
            stack.callback(engine.close)
            store.recover(engine.contains)
            if not store.settling and store.count != engine.count:
                raise sqlite3.DatabaseError(f"{store.count} texts for {engine.count} sets of vectors")
            stack.pop_all()
        return cls(path, manifest, store, engine)

    @property
    def count(self) -> int:
        """Number of passages."""
        self._require_open()
        return self._engine.count

    @property
    def info(self) -> dict[str, Any]:
        """Figures for people.

        Keys: ``passages``, ``token_vectors``, ``dimension``, ``bytes`` (on disk), ``teacher`` (fingerprint),
        ``versions`` (of the packages that built it), ``created`` (ISO 8601, UTC), ``format``.
        """
        self._require_open()
        return {
            "passages": self._engine.count,
            "token_vectors": self._engine.token_count,
            "dimension": self._engine.dimension,
            "bytes": sum(each.stat().st_size for each in self._path.rglob("*") if each.is_file()),
            **self._manifest,
        }

    def add(self, passages: Iterable[Passage], encoder: MultiVectorEncoder, *, batch_size: int = 32) -> None:
        """Add passages; one whose id exists replaces the old one. All are added, or none.

        Raises:
            OpticalError: an id occurs twice in ``passages``, ``encoder`` belongs to another teacher or makes
                unusable vectors, another process is changing the index, or the disk is full (the index is
                then closed, as its last flush left it).
        """
        self._require_open()
        self._require_teacher(encoder)
        self._add(passages, encoder, batch_size)

    def delete(self, ids: Iterable[str]) -> None:
        """Remove passages.

        Raises:
            OpticalError: an id is unknown (nothing was removed), another process is changing the index, or
                the disk is full (see :meth:`add`).
        """
        self._require_open()
        with self._change():
            self._engine.delete(self._store.remove(ids))

    def search(self, query: str, encoder: MultiVectorEncoder, k: int = 10) -> list[Hit]:
        """Return the ``k`` best passages for a query in the language of ``encoder``, best first.

        Equal scores are in the order in which passages were added (or last replaced).

        Raises:
            OpticalError: ``k`` is below 1 or above :attr:`count`, the query is empty or longer than
                ``encoder`` reads, or ``encoder`` belongs to another teacher.
        """
        return self.search_many([query], encoder, k)[0]

    def search_many(
        self, queries: Sequence[str], encoder: MultiVectorEncoder, k: int = 10, *, batch_size: int = 32
    ) -> list[list[Hit]]:
        """:meth:`search` for many queries, several times faster than one by one."""
        self._require_open()
        check_k(k, self.count)
        self._require_teacher(encoder)
        check_query_texts(queries, encoder)
        vectors = encoder.encode_query(list(queries), batch_size=batch_size, convert_to_numpy=True)
        results = self._engine.search_many([torch.from_numpy(each) for each in vectors], k)
        with _reading(self._path):
            passages = self._store.fetch(serial for result in results for serial, _ in result)
        return [
            [
                Hit(passages[serial].id, score, rank, passages[serial].title, passages[serial].text)
                for rank, (serial, score) in enumerate(result, start=1)
            ]
            for result in results
        ]

    def flush(self) -> None:
        """Make all changes durable, all or nothing.

        Raises:
            OpticalError: the disk is full (see :meth:`add`).
        """
        self._require_open()
        if self._store.changed:
            with self._disk():
                self._store.commit()
                self._engine.flush()
                self._store.settle()

    def close(self) -> None:
        """Flush and release the files; closing twice does nothing."""
        if not self._closed:
            try:
                self.flush()
            finally:
                self._abandon()

    def __enter__(self) -> "Index":
        """Return the index itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; after an exception, changes that were not flushed are dropped."""
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _add(self, passages: Iterable[Passage], encoder: MultiVectorEncoder, batch_size: int) -> None:
        seen: set[str] = set()
        replaced: list[int] = []
        stream = iter(passages)
        with self._change() as added:
            while chunk := list(itertools.islice(stream, batch_size * _BATCHES)):
                ids = [passage.id for passage in chunk]
                repeated = seen.intersection(ids)
                if repeated:
                    raise OpticalError(
                        f"Passage {min(repeated)!r} occurs twice. Give every passage an id of its own."
                    )
                seen.update(ids)
                contents = [passage.content for passage in chunk]
                arrays = encoder.encode_document(contents, batch_size=batch_size, convert_to_numpy=True)
                vectors = [torch.from_numpy(each) for each in arrays]
                check_vectors(ids, vectors, self._engine.dimension)
                with self._disk():
                    serials, old = self._store.put(chunk)
                    added += serials
                    self._engine.add(serials, vectors)
                replaced += old
            self._engine.delete(replaced)

    @contextmanager
    def _change(self) -> Iterator[list[int]]:
        # Engines cannot roll back, so a failed change is undone by deleting what it added.
        added: list[int] = []
        with self._disk():
            self._store.mark()
        try:
            yield added
        except BaseException:
            if not self._closed:
                present = self._engine.contains(added)
                self._engine.delete([serial for serial, held in zip(added, present, strict=True) if held])
                self._store.revert()
            raise
        self._store.keep()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        # After a failed write SQLite may have rolled back more than the change at hand, so that memory and
        # disk no longer agree: only the state of the last flush is certain.
        try:
            with _writing(self._path):
                yield
        except BaseException as error:
            if isinstance(error.__cause__, (OSError, sqlite3.Error)):
                self._abandon()
            raise

    def _abandon(self) -> None:
        self._closed = True
        self._engine.close()
        self._store.close()

    def _require_open(self) -> None:
        if self._closed:
            raise OpticalError(f"The index {self._path} is closed. Open it again with Index.open.")

    def _require_teacher(self, encoder: MultiVectorEncoder) -> None:
        given, own = teacher_of(encoder), self._manifest["teacher"]
        if given != own:
            raise OpticalError(
                f"The index {self._path} was built with teacher {own}, but the encoder belongs to {given}. "
                "Search with an encoder distilled from the teacher that built this index, or rebuild."
            )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise OpticalError(
            f"{path} could not be written ({error}). What was flushed before is safe: mend that, open the "
            "index again, and repeat."
        ) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OpticalError(
            f"The texts in {path} are damaged ({error}). Restore the index from a copy, or rebuild it."
        ) from error
