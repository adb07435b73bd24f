"""What the index asks of a search back-end, and the checks that every back-end makes."""

from collections.abc import Sequence
from typing import Protocol

import torch

from optical.errors import OpticalError

UNIT_NORM_TOLERANCE = 1e-2


class Engine(Protocol):
    """Multi-vector documents under integer ids, ranked by MaxSim.

    MaxSim: for each query vector the largest dot product with any vector of the document, summed over the
    query's vectors. Ids are integers of 63 bits because vector databases take nothing else in common; the
    :class:`optical.index.Index` keeps the table from integers to the passages' own ids.

    ``add`` and ``delete`` are visible to ``search`` at once and durable after ``flush``; a process that dies
    in between leaves the state of the last ``flush``.
    """

    @property
    def dimension(self) -> int:
        """Components of a vector."""

    @property
    def count(self) -> int:
        """Number of documents."""

    @property
    def token_count(self) -> int:
        """Number of vectors over all documents."""

    def add(self, ids: Sequence[int], vectors: Sequence[torch.Tensor]) -> None:
        """Add one document per id, or replace it where the id exists.

        Args:
            ids: no id twice.
            vectors: for each id a floating-point tensor (tokens, dimension), tokens >= 1, rows of unit norm.

        Raises:
            OpticalError: a check of :func:`check_vectors` failed; nothing was written.
        """

    def delete(self, ids: Sequence[int]) -> None:
        """Remove documents.

        Raises:
            OpticalError: an id is unknown; nothing was removed.
        """

    def contains(self, ids: Sequence[int]) -> list[bool]:
        """For each id, whether a document has it."""

    def search(self, query: torch.Tensor, k: int) -> list[tuple[int, float]]:
        """Return the best ``k`` (id, score), best first; equal scores in the order of insertion.

        Args:
            query: floating-point tensor (tokens, dimension), tokens >= 1.
            k: from 1 to ``count``.

        Raises:
            OpticalError: ``k`` is out of range, or the query is empty, not finite or of another dimension.
        """

    def search_many(self, queries: Sequence[torch.Tensor], k: int) -> list[list[tuple[int, float]]]:
        """:meth:`search` for many queries, which share the work."""

    def flush(self) -> None:
        """Make every change so far durable, all or nothing.

        Raises:
            OSError: the disk refused; the state of the last flush stays readable.
        """

    def close(self) -> None:
        """Release files and memory; changes that were not flushed are lost."""


def check_k(k: int, count: int) -> None:
    """Raise :class:`OpticalError` unless ``k`` results can be had from ``count`` documents."""
    if k < 1:
        raise OpticalError(f"k is {k}, but a search returns at least one result. Ask for 1 to {count}.")
    if k > count:
        raise OpticalError(f"k is {k}, but the index holds {count} passages. Ask for at most {count}.")


def check_vectors(names: Sequence[object], vectors: Sequence[torch.Tensor], dimension: int) -> None:
    """Check a batch of documents before any of it is written.

    Args:
        names: what to call each document in an error.
        vectors: one tensor per name; must be (tokens, ``dimension``), tokens >= 1, finite, rows of unit norm
            within 1e-2.

    Raises:
        OpticalError: a check failed, or a name occurs twice; it names the first document at fault.
    """
    if len(names) != len(vectors):
        raise OpticalError(
            f"{len(names)} ids came with {len(vectors)} sets of vectors. Give one set for each id."
        )
    seen: set[object] = set()
    for name, document in zip(names, vectors, strict=True):
        if name in seen:
            raise OpticalError(
                f"Passage {name!r} occurs twice in one batch. Give every passage an id of its own."
            )
        seen.add(name)
        if document.ndim != 2 or document.shape[1] != dimension:
            raise OpticalError(
                f"Passage {name!r} has vectors of shape {tuple(document.shape)}, but this index takes "
                f"(tokens, {dimension}). Encode it with the teacher that built the index."
            )
        if len(document) == 0:
            raise OpticalError(f"Passage {name!r} has no token vectors. Give it some text, or leave it out.")
        norms = torch.linalg.vector_norm(document.detach().float(), dim=1)
        if not bool(torch.isfinite(norms).all()):
            raise OpticalError(
                f"Passage {name!r} has vectors with NaN or infinity. Check the encoder's weights."
            )
        off = float((norms - 1).abs().max())
        if off > UNIT_NORM_TOLERANCE:
            raise OpticalError(
                f"Passage {name!r} has a token vector whose norm is {off:.3g} away from 1. "
                "Use an encoder that ends in a Normalize module."
            )


def check_query(query: torch.Tensor, dimension: int) -> torch.Tensor:
    """Return ``query`` as float32 (tokens, ``dimension``) on the CPU, or raise :class:`OpticalError`."""
    if query.ndim != 2 or query.shape[1] != dimension or len(query) == 0:
        raise OpticalError(
            f"The query has vectors of shape {tuple(query.shape)}, but this index takes (n, {dimension}), "
            "n at least 1. Encode it with an encoder of the teacher that built the index."
        )
    query = query.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(query).all()):
        raise OpticalError("The query has vectors with NaN or infinity. Check the query encoder's weights.")
    return query
