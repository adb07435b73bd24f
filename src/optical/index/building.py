"""Passages on their way into an index: read, checked, encoded and stored chunk by chunk."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index.centroids import Centroids, Sparse
from optical.index.checks import check_passage, check_vectors
from optical.index.engine import Document, Engine, Place
from optical.index.filters import Kind, merge_kinds
from optical.index.lexical import mean_length
from optical.index.long_passages import LongPassages
from optical.index.manifest import make_facts, require_teacher
from optical.index.parallel import Arrays, Chunk, Workers
from optical.index.places import closed_on_failure, making
from optical.index.searching import CentroidSearch
from optical.progress import count_progress

# Batches encoded and stored at a time: enough passages for the encoder to sort them by length.
_BATCHES = 16


def build(
    place: Place,
    encoder: MultiVectorEncoder,
    passages: Iterable[Passage],
    *,
    workers: Workers,
    compact: bool,
    lexical: bool,
    batch_size: int,
    progress: bool,
) -> tuple[dict[str, Any], Engine]:
    """Make the index at ``place``, going on from an unfinished one; return its facts and its engine.

    See :meth:`optical.index.Index.create`.
    """
    with closed_on_failure(place):
        stream = iter(passages)
        first = list(itertools.islice(stream, batch_size * _BATCHES))
        if not first:
            raise OpticalError("There are no passages to index. Give a collection with at least one passage.")

    def new_facts() -> dict[str, Any]:
        dimension = int(encoder.encode_document([first[0].content], convert_to_numpy=True)[0].shape[-1])
        return make_facts(encoder, dimension, compact, mean_length(first) if lexical else None)

    with making(place, new_facts) as (facts, engine):
        begun = {"compact": facts["compact"], "lexical": engine.lexical is not None}
        for kind, wanted in (("compact", compact), ("lexical", lexical)):
            if begun[kind] != wanted:
                raise OpticalError(
                    f"The unfinished index {place} was begun {'without' if wanted else 'with'} {kind} vectors. "
                    "Go on in the same way, or remove it."
                )
        require_teacher(facts, encoder, place)
        with count_progress("Indexing", "passages", length(passages), shown=progress) as done:
            every = itertools.chain(first, stream)
            ids = add_passages(every, encoder, workers, facts["teacher"], batch_size, engine, place, done)
        if left_over := [id_ for id_ in engine.ids() if id_ not in ids]:
            engine.delete(left_over)
        search = CentroidSearch(engine, place)
        if search.optimise_is_due:
            search.optimise(progress=progress)
    return facts, engine


def length(passages: Iterable[Passage]) -> int | None:
    """Return how many there are, if that can be known."""
    return len(passages) if isinstance(passages, Sized) else None


def add_passages(
    passages: Iterable[Passage],
    encoder: MultiVectorEncoder,
    workers: Workers,
    teacher: str,
    batch_size: int,
    engine: Engine,
    place: Place,
    done: Callable[[int], None],
) -> set[str]:
    """Encode and store passages chunk by chunk, each checked before it is written; return the ids of all.

    Those that ``engine`` holds already are passed over. A warning says so if some were too long for the encoder.

    Args:
        passages: read as they are needed.
        encoder: of the teacher.
        workers: encode them.
        teacher: fingerprint of the workers' encoder.
        batch_size: passages encoded at a time.
        engine: where they go.
        place: of the engine; its centroids mark what is stored.
        done: called with the number of passages of each chunk.

    Raises:
        OpticalError: an id occurs twice, metadata or vectors are unusable, or the disk is full.
    """
    seen: set[str] = set()
    long = LongPassages(encoder)
    fresh = _fresh(passages, batch_size * _BATCHES, engine, seen, done)
    try:
        with closing(workers.encode(fresh, teacher, batch_size)) as encoded:
            for chunk, arrays in encoded:
                fields, documents = _prepared(chunk, arrays, engine, place.centroids)
                place.begin_change()
                engine.declare(fields)
                engine.put(documents)
                long.note(chunk, arrays)
                done(len(chunk))
    finally:
        long.warn()
    return seen


def _fresh(
    passages: Iterable[Passage], size: int, engine: Engine, seen: set[str], done: Callable[[int], None]
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
            check_passage(passage)
        there = engine.fetch([passage.id for passage in chunk])
        fresh = [passage for passage in chunk if there.get(passage.id) != passage]
        done(len(chunk) - len(fresh))
        if fresh:
            yield fresh


def _prepared(
    passages: Chunk, arrays: Arrays, engine: Engine, centroids: Centroids | None
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
