"""How a passage is written as a point of Qdrant, wherever it is stored."""

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any
from uuid import UUID

from optical.collections import Passage
from optical.index.centroids import Sparse
from optical.index.filters import Kind

TOKENS, CENTROIDS, WORDS = "tokens", "centroids", "words"
"""The names of a point's vectors."""


def point_id(id_: str) -> UUID:
    """Return the id of a passage's point: 128 bits of BLAKE2b of the passage's own id."""
    return UUID(bytes=blake2b(id_.encode(), digest_size=16).digest())


def field_path(field: str, kind: Kind) -> str:
    """Return where a metadata field lies in a point's payload, as conditions see it.

    Truth values are written as strings beside the metadata, because the bindings of Qdrant Edge take ``True`` for 1.
    """
    return f'{"flags" if kind == "boolean" else "metadata"}."{field}"'


def payload_of(passage: Passage, tokens: int) -> dict[str, Any]:
    """Return what a point says of its passage, which has so many token vectors."""
    metadata = passage.metadata
    return {
        "id": passage.id,
        "title": passage.title,
        "text": passage.text,
        "metadata": {
            name: list(value) if isinstance(value, tuple) else value for name, value in metadata.items()
        },
        "flags": {name: str(value) for name, value in metadata.items() if isinstance(value, bool)},
        "tokens": tokens,
    }


def passage_of(payload: Mapping[str, Any]) -> Passage:
    """Return the passage of a point."""
    metadata = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in payload["metadata"].items()
    }
    return Passage(payload["id"], payload["text"], payload["title"], metadata)


def words_of(point: Any) -> Sparse:
    """Return the sparse vector of a point's words, empty if it has none or was read without."""
    words = (point.vector or {}).get(WORDS)
    return Sparse([], []) if words is None else Sparse(words.indices, words.values)


def rarity(word: int, found: Sequence[Any]) -> float:
    """Return what an engine multiplies a word by, for which it found these points, read with their words."""
    values = dict(zip(*words_of(found[0]), strict=True)) if found else {}
    # A passage that changes while it is searched may have lost the word when it is read.
    return found[0].score / values[word] if word in values else math.inf
