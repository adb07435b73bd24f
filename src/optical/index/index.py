"""The index of a passage collection: build, open, change, search."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import QueryTranslations
from optical.collections import Passage
from optical.collections.texts import has_lone_surrogate
from optical.errors import OpticalError
from optical.index.building import add_passages, build, length
from optical.index.checks import check_k, check_lexical, check_query_texts, warn_of_unknown_words
from optical.index.copying import copy_index
from optical.index.engine import Engine, Place
from optical.index.filters import Kind
from optical.index.manifest import require_teacher
from optical.index.opened import Opened
from optical.index.parallel import ThisProcess, Workers
from optical.index.places import closed_on_failure, place_of
from optical.index.searching import CentroidSearch, Hit
from optical.progress import count_progress


class Index:
    """English passages as token vectors of one teacher, searched by any query encoder distilled from it.

    In a folder, which may be moved and copied, and which one process at a time can open (the others may read a
    :meth:`snapshot`): a change that returned is seen by every later search and survives the end of the process,
    however it comes; after :meth:`flush` (or :meth:`close`) it survives a power failure, too. Or in a collection of a
    Qdrant server or cluster, ``qdrant://HOST:PORT/COLLECTION`` (:mod:`optical.index.cluster.address`), which any
    number of processes can open, and one at a time should change: a change that returned is seen by every later
    search of all of them. All methods may be called from several threads.

    A small index scores all passages. A larger one is to have centroids (:meth:`optimise`; :meth:`create` calls
    it), by which a search finds candidates first.

    Vectors and texts stay in files, which the system keeps in its page cache as far as there is room: 2 bytes a
    component (1 if compact). What an open index takes for itself does not depend on the number of passages, unless it
    is lexical; docs/how-to/index.md has the formula.
    """

    def __init__(self, place: Place, facts: dict[str, Any], engine: Engine) -> None:
        """Use :meth:`create`, :meth:`open` or :meth:`snapshot`."""
        self._opened = Opened(place, facts, engine)

    @classmethod
    def create(
        cls,
        path: str | Path,
        encoder: MultiVectorEncoder,
        passages: Iterable[Passage],
        *,
        compact: bool = False,
        lexical: bool = False,
        batch_size: int = 32,
        workers: Workers | None = None,
        progress: bool = False,
    ) -> "Index":
        """Encode ``passages`` with the document side of ``encoder`` and index them at ``path``, which is new.

        Passages are read as they are needed, so they may be a generator larger than memory. A build that was
        stopped leaves an unfinished index, which does not open; the same call goes on from there, and the
        outcome is that of building with these passages from the start.

        Args:
            path: of a folder, or address of a collection.
            encoder: the teacher, or any encoder distilled from it.
            passages: at least one.
            compact: store a component of a vector with 8 bits instead of 16: half the space, and scores that are
                off by about 0.0005 a query token.
            lexical: store the words of passages, too, for hybrid :meth:`search`. How long passages are on average is
                taken from the first 16 batches.
            batch_size: passages encoded at a time.
            workers: encode the passages, for example ``LocalWorkers("my-encoder", 4)`` or
                ``RayWorkers("my-encoder", "host:6379")``; by default this process does. Up to two chunks of 16 batches
                for each worker are held in memory.
            progress: whether to show it.

        Raises:
            OpticalError: ``path`` exists (and is no unfinished index like this one), there are no passages, an id
                occurs twice, the encoder's vectors or the metadata are unusable, the workers fail, or the disk is
                full.
        """
        place = place_of(path)
        made = build(
            place,
            encoder,
            passages,
            workers=workers or ThisProcess(encoder),
            compact=compact,
            lexical=lexical,
            batch_size=batch_size,
            progress=progress,
        )
        return cls(place, *made)

    @classmethod
    def open(cls, path: str | Path) -> "Index":
        """Open an index.

        Raises:
            OpticalError: there is no index at ``path``, it is unfinished, open elsewhere or of another version, files
                are missing or damaged, or the server cannot be reached or refuses the key.
        """
        return cls._at(place_of(path))

    @classmethod
    def snapshot(cls, path: str | Path) -> "Index":
        """Open a temporary copy of an index, so that other processes can open it meanwhile.

        It is made in the system's folder for temporary files and removed when it is closed; changes to it are lost.

        Raises:
            OpticalError: as :meth:`open`.
        """
        with cls.open(path) as index:
            copy = index._opened.place.temporary_copy()
        return cls._at(copy)

    @classmethod
    def require_new(cls, path: str | Path) -> None:
        """Raise :class:`OpticalError` if :meth:`create` would not accept ``path``."""
        with closing(place_of(path)) as place:
            place.require_new()

    @classmethod
    def exists(cls, path: str | Path) -> bool:
        """Return whether there is an index at ``path``, whatever its state, that is not unfinished."""
        with closing(place_of(path)) as place:
            return place.is_finished

    @property
    def count(self) -> int:
        """Number of passages."""
        return self._engine.count

    @property
    def fields(self) -> dict[str, Kind]:
        """The metadata fields of all passages there ever were, and the kind of their values."""
        return self._engine.fields

    @property
    def facts(self) -> dict[str, Any]:
        """What was noted when it was built: see :func:`optical.index.manifest.make_facts`."""
        return dict(self._opened.facts)

    @property
    def info(self) -> dict[str, Any]:
        """Figures for people; all passages are read for them.

        Keys: those of :func:`optical.index.manifest.make_facts`, ``token_vectors``, ``bytes`` (on disk; None for a
        cluster), :attr:`fields`, ``lexical`` (whether hybrid searches are possible), ``centroids`` (their number, 0
        without), ``optimise_is_due``.
        """
        engine, centroids = self._engine, self._search.centroids
        return {
            **self.facts,
            "passages": engine.count,
            "token_vectors": engine.token_count,
            "bytes": self._opened.place.bytes,
            "fields": engine.fields,
            "lexical": engine.lexical is not None,
            "centroids": 0 if centroids is None else len(centroids.vectors),
            "optimise_is_due": self._search.optimise_is_due,
        }

    def add(
        self,
        passages: Iterable[Passage],
        encoder: MultiVectorEncoder,
        *,
        batch_size: int = 32,
        workers: Workers | None = None,
        progress: bool = False,
    ) -> None:
        """Add passages; one whose id exists replaces the old one, unless they are the same.

        They are encoded and stored in chunks of 16 batches. A chunk is checked before any of it is written; what
        is wrong with one leaves it and those after it out, and with ``workers`` (see :meth:`create`) those under way
        before it.

        Raises:
            OpticalError: an id occurs twice in ``passages``, ``encoder`` belongs to another teacher or makes
                unusable vectors, a passage is empty, metadata are unusable, the workers fail, or the disk is full.
        """
        opened, engine = self._opened, self._engine
        require_teacher(opened.facts, encoder, opened.place)
        encoding, teacher = workers or ThisProcess(encoder), opened.facts["teacher"]
        with (
            count_progress("Indexing", "passages", length(passages), shown=progress) as done,
            opened.changing,
        ):
            add_passages(passages, encoder, encoding, teacher, batch_size, engine, opened.place, done)

    def delete(self, ids: Iterable[str]) -> None:
        """Remove passages.

        Raises:
            OpticalError: an id is unknown; nothing was removed.
        """
        engine = self._engine
        wanted = list(dict.fromkeys(ids))
        with self._opened.changing:
            # No passage has an id with half a character in it, and none can be asked for.
            there = engine.fetch([id_ for id_ in wanted if not has_lone_surrogate(id_)])
            for id_ in wanted:
                if id_ not in there:
                    raise OpticalError(
                        f"The index holds no passage {id_!r} to delete. Give ids that were added."
                    )
            if wanted:
                self._opened.place.begin_change()
                engine.delete(wanted)

    def search(
        self,
        query: str,
        encoder: MultiVectorEncoder,
        k: int = 10,
        *,
        filter: str | None = None,
        exact: bool | None = None,
        translations: QueryTranslations | None = None,
    ) -> list[Hit]:
        """Return the ``k`` best passages for a query in the language of ``encoder``, best first.

        Equal scores are in the order of ids. Fewer are returned only if there are no more that the filter leaves. A
        warning says so if the encoder knows no word of the query.

        Args:
            query: text.
            encoder: distilled from the teacher that built the index.
            k: at least 1.
            filter: condition on the metadata, as :func:`optical.index.filters.parse_filter` explains; for example
                ``source = "who" and year >= 2020``.
            exact: whether all passages are scored, or only 1,200 candidates (or 10 ``k``, if that is more); by
                default all in an index of up to 8,192 passages, or without centroids.
            translations: makes the search hybrid: of an index made with ``lexical``, the 100 (or ``k``) best
                passages are fused with those by the query's English words
                (:func:`optical.bitext.structured_scores`, :func:`optical.collections.reciprocal_rank_fusion`).

        Raises:
            OpticalError: ``k`` is below 1, the query is empty or longer than ``encoder`` reads, ``encoder``
                belongs to another teacher, the filter is wrong, there are no centroids for ``exact=False``, or no
                words for ``translations``.
        """
        (found,) = self.search_many(
            [query], encoder, k, filter=filter, exact=exact, translations=translations
        )
        if translations is None:
            warn_of_unknown_words(query, encoder)
        return found

    def search_many(
        self,
        queries: Sequence[str],
        encoder: MultiVectorEncoder,
        k: int = 10,
        *,
        filter: str | None = None,
        exact: bool | None = None,
        translations: QueryTranslations | None = None,
        batch_size: int = 32,
    ) -> list[list[Hit]]:
        """:meth:`search` for many queries, which are encoded in batches and share passes over the vectors."""
        check_k(k)
        if translations is not None:
            check_lexical(self._engine)
        require_teacher(self._opened.facts, encoder, self._opened.place)
        check_query_texts(queries, encoder)
        arrays = encoder.encode_query(list(queries), batch_size=batch_size, convert_to_numpy=True)
        vectors = [torch.from_numpy(each) for each in arrays]
        terms = None if translations is None else [translations.terms(query) for query in queries]
        return self.search_vectors(vectors, k, filter=filter, exact=exact, terms=terms)

    def search_vectors(
        self,
        queries: Sequence[torch.Tensor],
        k: int = 10,
        *,
        filter: str | None = None,
        exact: bool | None = None,
        terms: Sequence[Sequence[Mapping[str, float]]] | None = None,
    ) -> list[list[Hit]]:
        """:meth:`search_many` for queries that are encoded already.

        Args:
            queries: (tokens, dimension) each, finite, in the space of the teacher that built the index.
            k: as in :meth:`search`, like the others.
            filter: condition on the metadata.
            exact: whether all passages are scored.
            terms: of each query, each as its English words and their probabilities
                (:meth:`optical.bitext.QueryTranslations.terms`), for a hybrid search. A query in English has
                ``{word: 1.0}`` for each of its words.

        Raises:
            OpticalError: as :meth:`search`, or a query has the wrong shape, NaN or infinity.
        """
        return self._search.search(queries, k, filter, exact, terms)

    def optimise(self, *, progress: bool = False) -> None:
        """Train the centroids anew, for the passages that are there now, and rewrite the vectors compactly.

        Worth its time when ``info["optimise_is_due"]``: the index has grown beyond 8,192 passages, or to four times
        what it was. A search meanwhile, or after this was stopped, scores all passages.

        Raises:
            OpticalError: the disk is full.
        """
        with self._opened.changing:
            self._search.optimise(progress=progress)

    def copy_to(self, path: str | Path, *, progress: bool = False) -> None:
        """Copy the index to ``path``, which is new: a folder, or the address of a collection; nothing is encoded.

        A copy that was stopped is an unfinished index, which does not open; the same call goes on from there. Compact
        vectors are rounded once more.

        Raises:
            OpticalError: something is at ``path`` (other than an unfinished index of this teacher), the disk or the
                server is full, or the server cannot be reached or refuses the key.
        """
        opened = self._opened
        with opened.changing:
            copy_index(opened.facts, opened.engine, opened.place, place_of(path), progress=progress)

    def flush(self) -> None:
        """Make all changes survive a power failure."""
        self._opened.flush()

    def close(self) -> None:
        """Flush and release the files; closing twice does nothing."""
        self._opened.close()

    def __enter__(self) -> "Index":
        """Return the index itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @classmethod
    def _at(cls, place: Place) -> "Index":
        with closed_on_failure(place):
            return cls(place, *place.open(finished=True))

    @property
    def _engine(self) -> Engine:
        return self._opened.engine

    @property
    def _search(self) -> CentroidSearch:
        return CentroidSearch(self._opened.engine, self._opened.place)
