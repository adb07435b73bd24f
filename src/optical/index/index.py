"""The index of a passage collection: build, open, change, search."""

import itertools
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.files import copy_folder, create_folder, require_absent
from optical.index.building import find_centroids, prepare
from optical.index.centroids import Centroids
from optical.index.checks import check_k, check_query, check_query_texts
from optical.index.filters import parse_filter
from optical.index.local import LocalEngine, bytes_on_disk
from optical.index.manifest import (
    MANIFEST,
    UNFINISHED,
    new_manifest,
    read_manifest,
    teacher_of,
    write_manifest,
)
from optical.index.progress import counted
from optical.index.shard import writing

# Batches encoded and stored at a time: enough passages for the encoder to sort them by length.
_BATCHES = 16
# Up to so many passages all are scored.
EXACT_UP_TO = 8192
CANDIDATES = 1000
# With more than this share of the passages as candidates, scoring all is no slower.
_SHARE = 4
_GROWTH = 4


@dataclass(frozen=True)
class Hit:
    """One search result: ``rank`` counts from 1, ``score`` is MaxSim summed over the query's tokens."""

    id: str
    score: float
    rank: int
    title: str
    text: str
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=dict, hash=False)


class Index:
    """English passages as token vectors of one teacher, searched by any query encoder distilled from it.

    On disk one folder, which may be moved and copied, and which one process at a time can open (the others may
    read a :meth:`snapshot`). A change that returned is seen by every later search and survives the end of the
    process, however it comes; after :meth:`flush` (or :meth:`close`) it survives a power failure, too. All
    methods may be called from several threads.

    A small index scores all passages. A larger one is to have centroids (:meth:`optimise`; :meth:`create` calls
    it), by which a search finds candidates first.
    """

    def __init__(
        self,
        path: Path,
        manifest_file: Path,
        engine: LocalEngine,
        copy: "TemporaryDirectory[str] | None" = None,
    ) -> None:
        """Use :meth:`create`, :meth:`open` or :meth:`snapshot`."""
        self._path = path
        self._manifest_file = manifest_file
        self._manifest = read_manifest(manifest_file)
        self._engine = engine
        self._copy = copy
        self._changing = threading.RLock()
        self._closed = False
        file = self._centroid_file
        self._centroids = Centroids.load(file) if file.exists() else None

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

        Passages are read as they are needed, so they may be a generator larger than memory. A build that was
        stopped leaves an unfinished index, which does not open; the same call goes on from there, and the
        outcome is that of building with these passages from the start.

        Raises:
            OpticalError: ``path`` exists (and is no unfinished index of this teacher), there are no passages, an
                id occurs twice, the encoder's vectors or the metadata are unusable, or the disk is full.
        """
        path = Path(path)
        unfinished = path / UNFINISHED
        cls.require_new(path)
        stream = iter(passages)
        first = next(stream, None)
        if first is None:
            raise OpticalError("There are no passages to index. Give a collection with at least one passage.")
        if not unfinished.exists():
            dimension = int(encoder.encode_document([first.content], convert_to_numpy=True)[0].shape[-1])
            with writing(path / "shard"), create_folder(path) as folder:
                write_manifest(folder / UNFINISHED, new_manifest(encoder, dimension))
                LocalEngine.create(folder / "shard", dimension).close()
        index = cls._opened(path, unfinished)
        try:
            with counted("Indexing", _length(passages), shown=progress) as count:
                ids = index._add(itertools.chain([first], stream), encoder, batch_size, count)
            index.delete([id_ for id_ in index._engine.ids() if id_ not in ids])
            if index.info["optimise_is_due"]:
                index.optimise(progress=progress)
            index._manifest_file = unfinished.rename(path / MANIFEST)
            index._end_changes()
        except BaseException:
            useless = index.count == 0
            index._release()
            if useless:
                shutil.rmtree(path)
            raise
        return index

    @classmethod
    def open(cls, path: str | Path) -> "Index":
        """Open an index.

        Raises:
            OpticalError: there is no index at ``path``, it is unfinished, open elsewhere or of another version,
                or files are missing or damaged.
        """
        return cls._opened(Path(path), Path(path) / MANIFEST)

    @classmethod
    def snapshot(cls, path: str | Path) -> "Index":
        """Open a temporary copy of an index, so that other processes can open it meanwhile.

        It is made in the system's folder for temporary files and removed when it is closed; changes to it are lost.

        Raises:
            OpticalError: as :meth:`open`.
        """
        path = Path(path)
        copy = TemporaryDirectory(prefix="optical-index-")
        target = Path(copy.name) / path.name
        with cls.open(path):
            copy_folder(path, target)
        return cls._opened(target, target / MANIFEST, copy)

    @classmethod
    def require_new(cls, path: str | Path) -> None:
        """Raise :class:`OpticalError` if :meth:`create` would not accept ``path``."""
        if not (Path(path) / UNFINISHED).exists():
            require_absent(Path(path))

    @classmethod
    def exists(cls, path: str | Path) -> bool:
        """Return whether there is an index at ``path``, whatever its state, that is not unfinished."""
        return (Path(path) / MANIFEST).exists()

    @classmethod
    def _opened(
        cls, path: Path, manifest_file: Path, copy: "TemporaryDirectory[str] | None" = None
    ) -> "Index":
        manifest = read_manifest(manifest_file)
        engine = LocalEngine.open(path / "shard", manifest["dimension"])
        try:
            if manifest["passages"] not in (None, engine.count):
                raise OpticalError(
                    f"The index {path} is damaged (it has {engine.count} passages, and had {manifest['passages']}). "
                    "Restore it from a copy, or remove the folder and build it again."
                )
            return cls(path, manifest_file, engine, copy)
        except BaseException:
            engine.close()
            raise

    @property
    def count(self) -> int:
        """Number of passages."""
        self._require_open()
        return self._engine.count

    @property
    def info(self) -> dict[str, Any]:
        """Figures for people.

        Keys: ``passages``, ``token_vectors``, ``dimension``, ``bytes`` (on disk), ``fields`` (of the metadata, and
        the kind of their values), ``centroids`` (their number, 0 without), ``optimise_is_due``, ``teacher``
        (fingerprint), ``versions`` (of the packages that built it), ``created`` (ISO 8601, UTC), ``format``.
        """
        self._require_open()
        count, centroids = self._engine.count, self._centroids
        trained_with = 0 if centroids is None else centroids.passages
        return {
            **self._manifest,
            "passages": count,
            "token_vectors": self._engine.token_count,
            "bytes": bytes_on_disk(self._path),
            "fields": self._engine.fields,
            "centroids": 0 if centroids is None else len(centroids.vectors),
            "optimise_is_due": count > EXACT_UP_TO and count >= _GROWTH * trained_with,
        }

    def add(
        self,
        passages: Iterable[Passage],
        encoder: MultiVectorEncoder,
        *,
        batch_size: int = 32,
        progress: bool = False,
    ) -> None:
        """Add passages; one whose id exists replaces the old one, unless they are the same.

        They are encoded and stored in chunks of 16 batches. A chunk is checked before any of it is written; what
        is wrong with one leaves it and those after it out.

        Raises:
            OpticalError: an id occurs twice in ``passages``, ``encoder`` belongs to another teacher or makes
                unusable vectors, metadata are unusable, or the disk is full.
        """
        self._require_open()
        with counted("Indexing", _length(passages), shown=progress) as count:
            self._add(passages, encoder, batch_size, count)

    def delete(self, ids: Iterable[str]) -> None:
        """Remove passages.

        Raises:
            OpticalError: an id is unknown; nothing was removed.
        """
        self._require_open()
        wanted = list(dict.fromkeys(ids))
        with self._changing:
            there = self._engine.fetch(wanted)
            for id_ in wanted:
                if id_ not in there:
                    raise OpticalError(
                        f"The index holds no passage {id_!r} to delete. Give ids that were added."
                    )
            if wanted:
                self._begin_change()
                self._engine.delete(wanted)

    def search(
        self,
        query: str,
        encoder: MultiVectorEncoder,
        k: int = 10,
        *,
        filter: str | None = None,
        exact: bool | None = None,
    ) -> list[Hit]:
        """Return the ``k`` best passages for a query in the language of ``encoder``, best first.

        Equal scores are in the order of ids. Fewer are returned only if the filter leaves no more.

        Args:
            query: text.
            encoder: distilled from the teacher that built the index.
            k: from 1 to :attr:`count`.
            filter: condition on the metadata, as :func:`optical.index.filters.parse_filter` explains; for example
                ``source = "who" and year >= 2020``.
            exact: whether all passages are scored, or only 1,000 candidates (or 10 ``k``, if that is more); by
                default all in an index of up to 8,192 passages, or without centroids.

        Raises:
            OpticalError: ``k`` is out of range, the query is empty or longer than ``encoder`` reads, ``encoder``
                belongs to another teacher, or the filter is wrong.
        """
        return self.search_many([query], encoder, k, filter=filter, exact=exact)[0]

    def search_many(
        self,
        queries: Sequence[str],
        encoder: MultiVectorEncoder,
        k: int = 10,
        *,
        filter: str | None = None,
        exact: bool | None = None,
        batch_size: int = 32,
    ) -> list[list[Hit]]:
        """:meth:`search` for many queries, faster than one by one (from 64 at a time on, if all are scored)."""
        self._require_open()
        count = self.count
        check_k(k, count)
        self._require_teacher(encoder)
        check_query_texts(queries, encoder)
        condition = None if filter is None else parse_filter(filter, self._engine.fields)
        arrays = encoder.encode_query(list(queries), batch_size=batch_size, convert_to_numpy=True)
        vectors = [torch.from_numpy(each).float() for each in arrays]
        for each in vectors:
            check_query(each, self._engine.dimension)
        centroids, candidates = self._centroids, max(CANDIDATES, 10 * k)
        if exact is None:
            exact = count <= max(EXACT_UP_TO, _SHARE * candidates)
        if exact or centroids is None:
            results = self._engine.search(vectors, k, condition)
        else:
            sparse = [centroids.of_query(each) for each in vectors]
            results = self._engine.search(vectors, k, condition, (candidates, sparse))
            short = [number for number, found in enumerate(results) if len(found) < k]
            for number, found in zip(
                short, self._engine.search([vectors[each] for each in short], k, condition), strict=True
            ):
                results[number] = found
        return [
            [
                Hit(
                    each.passage.id,
                    each.score,
                    rank,
                    each.passage.title,
                    each.passage.text,
                    each.passage.metadata,
                )
                for rank, each in enumerate(found, start=1)
            ]
            for found in results
        ]

    def optimise(self, *, progress: bool = False) -> None:
        """Train the centroids anew, for the passages that are there now, and rewrite the vectors compactly.

        Worth its time when ``info["optimise_is_due"]``: the index has grown beyond 8,192 passages, or to four times
        what it was. A search meanwhile, or after this was stopped, scores all passages.

        Raises:
            OpticalError: the disk is full.
        """
        self._require_open()
        with self._changing:
            self._centroids = None
            self._centroid_file.unlink(missing_ok=True)
            centroids = find_centroids(self._engine, progress=progress)
            if centroids is None:
                return
            centroids.save(self._centroid_file)
            self._centroids = centroids

    def flush(self) -> None:
        """Make all changes survive a power failure."""
        self._require_open()
        with self._changing:
            self._end_changes()

    def close(self) -> None:
        """Flush and release the files; closing twice does nothing."""
        with self._changing:
            if not self._closed:
                try:
                    self._end_changes()
                finally:
                    self._release()

    def __enter__(self) -> "Index":
        """Return the index itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def _centroid_file(self) -> Path:
        return self._path / "centroids.safetensors"

    def _add(
        self,
        passages: Iterable[Passage],
        encoder: MultiVectorEncoder,
        batch_size: int,
        done: Callable[[int], None],
    ) -> set[str]:
        self._require_teacher(encoder)
        seen: set[str] = set()
        stream = iter(passages)
        with self._changing:
            while chunk := list(itertools.islice(stream, batch_size * _BATCHES)):
                for passage in chunk:
                    if passage.id in seen:
                        raise OpticalError(
                            f"Passage {passage.id!r} occurs twice. Give every passage an id of its own."
                        )
                    seen.add(passage.id)
                there = self._engine.fetch([passage.id for passage in chunk])
                fresh = [passage for passage in chunk if there.get(passage.id) != passage]
                if fresh:
                    fields, documents = prepare(fresh, encoder, batch_size, self._engine, self._centroids)
                    self._begin_change()
                    self._engine.declare(fields)
                    self._engine.put(documents)
                done(len(chunk))
        return seen

    def _begin_change(self) -> None:
        if self._manifest["passages"] is not None:
            self._note_count(None)

    def _end_changes(self) -> None:
        self._engine.flush()
        if self._manifest["passages"] is None and self._manifest_file.name == MANIFEST:
            self._note_count(self._engine.count)

    def _note_count(self, count: int | None) -> None:
        self._manifest["passages"] = count
        with writing(self._path / "shard"):
            write_manifest(self._manifest_file, self._manifest)

    def _release(self) -> None:
        self._closed = True
        self._engine.close()
        if self._copy is not None:
            self._copy.cleanup()

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


def _length(passages: Iterable[Passage]) -> int | None:
    return len(passages) if isinstance(passages, Sequence) else None
