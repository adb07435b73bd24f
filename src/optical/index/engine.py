"""What an index asks of whatever stores it: an engine with its passages, at a place with all the rest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index.centroids import Centroids, Sparse
from optical.index.filters import Filter, Kind
from optical.index.lexical import LexicalVectors


class IndexUnavailableError(OpticalError):
    """The index cannot be used now, whatever is asked of it: it is closed or damaged, or its server away."""


class RequestRefusedError(OpticalError):
    """The server of an index refuses what was asked, not the one who asks; the message names the server."""


@dataclass(frozen=True)
class Document:
    """A passage as it is stored: ``vectors`` is (tokens, dimension), ``sparse`` its centroids if there are any."""

    passage: Passage
    vectors: torch.Tensor
    sparse: Sparse | None


@dataclass(frozen=True)
class Found:
    """A passage and its score for a query; ``words`` is the sparse vector of its words if they were searched."""

    passage: Passage
    score: float
    words: Sparse = field(default_factory=lambda: Sparse([], []))


class Engine(Protocol):
    """Passages with their token vectors, ranked by MaxSim or BM25; equal scores are in the order of ids.

    A change that returned is seen by every later search. All methods may be called from several threads. Every method
    may raise :class:`OpticalError`, and :class:`IndexUnavailableError` if that is not for what was asked.

    Attributes:
        dimension: of the vectors.
        lexical: makes the vectors for :meth:`search_words` of all that is put; None without.
    """

    dimension: int
    lexical: LexicalVectors | None

    @property
    def count(self) -> int:
        """Number of passages."""

    @property
    def token_count(self) -> int:
        """Number of vectors of all passages."""

    @property
    def fields(self) -> dict[str, Kind]:
        """The metadata fields of all passages there ever were, and what their values are."""

    def declare(self, fields: Mapping[str, Kind]) -> None:
        """Make metadata fields known, before passages that have them are put."""

    def put(self, documents: Sequence[Document]) -> None:
        """Add passages, or replace those whose ids exist.

        A crash in between leaves some passages put whole, and the others as they were.
        """

    def mark(self, sparse: Mapping[str, Sparse]) -> None:
        """Replace the sparse vectors of passages, given by their ids."""

    def delete(self, ids: Iterable[str]) -> None:
        """Remove passages; unknown ids do nothing."""

    def fetch(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Return the passages that are there, by id."""

    def ids(self) -> Iterator[str]:
        """Yield all ids, in an order that has nothing to do with the passages."""

    def vectors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield id and float16 vectors (tokens, dimension) of each passage, in the order of :meth:`ids`."""

    def documents(self) -> Iterator[Document]:
        """Yield all that is stored, vectors as float16, in the order of :meth:`ids`."""

    def search(
        self,
        queries: Sequence[torch.Tensor],
        k: int,
        filter: Filter | None = None,
        candidates: tuple[int, Sequence[Sparse]] | None = None,
    ) -> list[list[Found]]:
        """Return the best ``k`` passages of each query, best first; fewer if there are no more.

        Args:
            queries: float32 (tokens, dimension) each.
            k: at least 1.
            filter: leaves out passages for which it is false.
            candidates: score only so many passages, those whose sparse vectors have the largest products with the
                given one of each query. Without it all passages are scored.
        """

    def search_words(
        self, queries: Sequence[Sparse], k: int, filter: Filter | None = None
    ) -> list[list[Found]]:
        """Return the best ``k`` passages of each query by BM25, best first; only those that have a word of it.

        Args:
            queries: the weights of words, by :func:`optical.index.lexical.word_index`.
            k: at least 1.
            filter: leaves out passages for which it is false.
        """

    def rarities(self, words: Sequence[int]) -> list[float]:
        """Return what :meth:`search_words` multiplies the weight of each word by; infinity if no passage has it.

        It may be counted for each part of a collection, and with passages that were removed lately.
        """

    def merge(self) -> None:
        """Rewrite what changes have scattered, unless the engine does so by itself."""

    def flush(self) -> None:
        """Wait until all changes survive a power failure."""

    def close(self) -> None:
        """Flush, and release what is held."""


class Place(Protocol):
    """Where an index lives: its engine, its centroids, and the facts of its manifest.

    ``str(place)`` is what errors call it. Every method may raise :class:`OpticalError`.
    """

    @property
    def is_unfinished(self) -> bool:
        """Whether there is an unfinished index."""

    @property
    def is_finished(self) -> bool:
        """Whether there is a finished index, whatever its condition."""

    def require_new(self) -> None:
        """Raise :class:`OpticalError` if something is there that is no unfinished index."""

    def create(self, facts: dict[str, Any]) -> None:
        """Make an unfinished, empty index with these facts, all or nothing."""

    def open(self, *, finished: bool) -> tuple[dict[str, Any], Engine]:
        """Return facts and engine of the index; with ``finished=False`` those of an unfinished one."""

    def finish(self) -> None:
        """Make an index of the unfinished one that is open."""

    def remove(self) -> None:
        """Remove what :meth:`create` made; its engine is closed."""

    def temporary_copy(self) -> "Place":
        """Return a copy that :meth:`close` removes; changes to it are lost."""

    def close(self) -> None:
        """Release what is held; the engine, if there was one, is closed before. Closing twice does nothing."""

    def begin_change(self) -> None:
        """Be told that passages are about to come or go."""

    def end_change(self, engine: Engine) -> None:
        """Be told that all changes of the engine have been flushed."""

    @property
    def centroids(self) -> Centroids | None:
        """Those that the passages are marked by now, if they are."""

    def put_centroids(self, centroids: Centroids | None) -> None:
        """Replace the centroids, or remove them."""

    @property
    def bytes(self) -> int | None:
        """Space that the index takes on the disk; None if that is not known."""
