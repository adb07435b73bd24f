"""How the index is written in the terms of Qdrant Edge: schema, ids, conditions, and its errors in ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from optical.errors import OpticalError
from optical.index.filters import And, Comparison, Filter, Kind, Not

TOKENS, CENTROIDS = "tokens", "centroids"
SCHEMA: dict[Kind, Any] = {
    "string": edge.PayloadSchemaType.Keyword,
    "number": edge.PayloadSchemaType.Float,
    "boolean": edge.PayloadSchemaType.Bool,
}


def configuration(dimension: int) -> Any:
    """Return the schema: float16 multi-vectors compared by MaxSim, without a graph, and sparse vectors."""
    vectors = edge.EdgeVectorParams(
        size=dimension,
        distance=edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        datatype=edge.VectorStorageDatatype.Float16,
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10),
    )
    return edge.EdgeConfig(
        vectors={TOKENS: vectors}, sparse_vectors={CENTROIDS: edge.EdgeSparseVectorParams()}
    )


def point_id(id_: str) -> UUID:
    """Return the id of a passage's point: 128 bits of BLAKE2b of the passage's own id."""
    return UUID(bytes=blake2b(id_.encode(), digest_size=16).digest())


def field_path(field: str) -> str:
    """Return where a metadata field lies in a point's payload."""
    return f'metadata."{field}"'


def condition(filter: Filter) -> Any:
    """Return the filter as the shard takes it."""
    if isinstance(filter, Not):
        return edge.Filter(must_not=[condition(filter.part)])
    if isinstance(filter, Comparison):
        path, value = field_path(filter.field), filter.value
        if isinstance(value, (str, bool)):
            return edge.FieldCondition(path, match=edge.MatchValue(value))
        names = {"<": ["lt"], "<=": ["lte"], ">": ["gt"], ">=": ["gte"], "=": ["gte", "lte"]}[filter.operator]
        return edge.FieldCondition(path, range=edge.RangeFloat(**dict.fromkeys(names, float(value))))
    parts = [condition(part) for part in filter.parts]
    return edge.Filter(must=parts) if isinstance(filter, And) else edge.Filter(should=parts)


def damaged(folder: Path, reason: object) -> OpticalError:
    """Return what to raise when the shard in ``folder`` is not as it was left."""
    return OpticalError(
        f"The index {folder.parent} is damaged ({reason}). Restore it from a copy, or remove the folder and build "
        "it again."
    )


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Explain what goes wrong while reading."""
    try:
        yield
    except BaseException as error:
        if _of_the_shard(error):
            raise damaged(folder, error) from error
        raise


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Explain what goes wrong while writing."""
    try:
        yield
    except BaseException as error:
        if _of_the_shard(error) or isinstance(error, OSError):
            raise OpticalError(
                f"The index {folder.parent} could not be written ({error}). What was stored before is safe: mend "
                "that, and give the same command again."
            ) from error
        raise


def _of_the_shard(error: BaseException) -> bool:
    # Its errors are plain exceptions, and a panic is not even an Exception.
    return type(error) is Exception or type(error).__name__ == "PanicException"
