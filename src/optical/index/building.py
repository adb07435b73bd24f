"""What is computed for an index: passages as an engine stores them, and the centroids of what it holds."""

import itertools
from collections.abc import Sequence

import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.index.centroids import SAMPLE, Centroids, Sparse, number_of_centroids
from optical.index.checks import check_vectors
from optical.index.filters import Kind, merge_kinds
from optical.index.local import Document, LocalEngine
from optical.index.progress import counted

_MARKED_TOGETHER = 512


def prepare(
    passages: Sequence[Passage],
    encoder: MultiVectorEncoder,
    batch_size: int,
    engine: LocalEngine,
    centroids: Centroids | None,
) -> tuple[dict[str, Kind], list[Document]]:
    """Check and encode passages; return the metadata fields that are new to ``engine``, and what it is to store.

    Raises:
        OpticalError: metadata or vectors are unusable.
    """
    known = engine.fields
    kinds = merge_kinds(known, passages)
    contents = [passage.content for passage in passages]
    arrays = encoder.encode_document(contents, batch_size=batch_size, convert_to_numpy=True)
    vectors = [torch.from_numpy(each) for each in arrays]
    check_vectors([passage.id for passage in passages], vectors, engine.dimension)
    sparse: Sequence[Sparse | None] = [None] * len(passages)
    if centroids is not None:
        sparse = centroids.of_passages(vectors)
    documents = [Document(*each) for each in zip(passages, vectors, sparse, strict=True)]
    return {name: kind for name, kind in kinds.items() if name not in known}, documents


def find_centroids(engine: LocalEngine, *, progress: bool = False) -> Centroids | None:
    """Train centroids on a sample of what ``engine`` holds, mark all passages by them, and merge its files.

    Returns None if it holds nothing.
    """
    count = engine.count
    if count == 0:
        return None
    number = number_of_centroids(engine.token_count)
    # Passages come in an order without meaning, so the first are a sample.
    sample: list[torch.Tensor] = []
    tokens = 0
    for _, vectors in engine.vectors():
        sample.append(vectors)
        tokens += len(vectors)
        if tokens >= SAMPLE * number:
            break
    centroids = Centroids.train(torch.cat(sample), number, count)
    passages = engine.vectors()
    with counted("Optimising", count, shown=progress) as done:
        while chunk := list(itertools.islice(passages, _MARKED_TOGETHER)):
            marks = centroids.of_passages([vectors for _, vectors in chunk])
            engine.mark(dict(zip([id_ for id_, _ in chunk], marks, strict=True)))
            done(len(chunk))
    engine.merge()
    engine.flush()
    return centroids
