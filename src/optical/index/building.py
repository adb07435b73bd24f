"""Passages on their way into an index: read, checked, encoded and stored chunk by chunk."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import torch

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index.centroids import Centroids, Sparse
from optical.index.checks import check_vectors
from optical.index.filters import Kind, merge_kinds
from optical.index.local import Document, LocalEngine
from optical.index.parallel import Arrays, Chunk, Encoded

# Batches encoded and stored at a time: enough passages for the encoder to sort them by length.
_BATCHES = 16


def add_passages(
    passages: Iterable[Passage],
    encode: Callable[[Iterable[Chunk]], Encoded],
    batch_size: int,
    engine: LocalEngine,
    centroids: Centroids | None,
    *,
    before_writing: Callable[[], None],
    done: Callable[[int], None],
) -> set[str]:
    """Encode and store passages chunk by chunk, each checked before it is written; return the ids of all.

    Those that ``engine`` holds already are passed over.

    Args:
        passages: read as they are needed.
        encode: yields each chunk with the vectors of its passages, in order; see :mod:`optical.index.parallel`.
        batch_size: passages encoded at a time.
        engine: where they go.
        centroids: mark what is stored.
        before_writing: called before each chunk is written.
        done: called with the number of passages of each chunk.

    Raises:
        OpticalError: an id occurs twice, metadata or vectors are unusable, or the disk is full.
    """
    seen: set[str] = set()
    with closing(encode(_fresh(passages, batch_size * _BATCHES, engine, seen, done))) as encoded:
        for chunk, arrays in encoded:
            fields, documents = _prepared(chunk, arrays, engine, centroids)
            before_writing()
            engine.declare(fields)
            engine.put(documents)
            done(len(chunk))
    return seen


def _fresh(
    passages: Iterable[Passage], size: int, engine: LocalEngine, seen: set[str], done: Callable[[int], None]
) -> Iterator[Chunk]:
    """Yield what ``engine`` does not hold of each ``size`` passages; note all ids in ``seen``."""
    stream = iter(passages)
    while chunk := list(itertools.islice(stream, size)):
        for passage in chunk:
            if passage.id in seen:
                raise OpticalError(
                    f"Passage {passage.id!r} occurs twice. Give every passage an id of its own."
                )
            seen.add(passage.id)
        there = engine.fetch([passage.id for passage in chunk])
        fresh = [passage for passage in chunk if there.get(passage.id) != passage]
        for passage in fresh:
            if not passage.content:
                raise OpticalError(f"Passage {passage.id!r} is empty. Give it text, or leave it out.")
        done(len(chunk) - len(fresh))
        if fresh:
            yield fresh


def _prepared(
    passages: Chunk, arrays: Arrays, engine: LocalEngine, centroids: Centroids | None
) -> tuple[dict[str, Kind], list[Document]]:
    """Return the metadata fields that are new to ``engine``, and what it is to store."""
    known = engine.fields
    kinds = merge_kinds(known, passages)
    vectors = [torch.from_numpy(each) for each in arrays]
    check_vectors([passage.id for passage in passages], vectors, engine.dimension)
    sparse: Sequence[Sparse | None] = [None] * len(passages)
    if centroids is not None:
        sparse = centroids.of_passages(vectors)
    documents = [Document(*each) for each in zip(passages, vectors, sparse, strict=True)]
    return {name: kind for name, kind in kinds.items() if name not in known}, documents
