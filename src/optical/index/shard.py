"""How the index is written in the terms of Qdrant Edge: schema, points, conditions, and its errors in ours."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qdrant_edge as edge
import torch

from optical.errors import OpticalError
from optical.index.engine import Document, IndexUnavailableError
from optical.index.filters import And, Comparison, Filter, Kind, Not, kind_of
from optical.index.lexical import LexicalVectors
from optical.index.payload import CENTROIDS, TOKENS, WORDS, field_path, payload_of, point_id

SCHEMA: dict[Kind, Any] = {
    "string": edge.PayloadSchemaType.Keyword,
    "number": edge.PayloadSchemaType.Float,
    "boolean": edge.PayloadSchemaType.Keyword,
}


# What the system refuses says nothing of the files; the shard names the number in its messages.
_REFUSALS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
}


def configuration(dimension: int, compact: bool, lexical: bool) -> Any:
    """Return the schema: multi-vectors compared by MaxSim, without a graph, and sparse vectors.

    Compact ones are rotated and take 8 bits a component (TurboQuant, Zandieh et al. 2025, arXiv 2504.19874); the
    others are float16. Lexical ones are weighted by the rarity of words.
    """
    vectors = edge.EdgeVectorParams(
        size=dimension,
        distance=edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        datatype=edge.VectorStorageDatatype.Turbo8 if compact else edge.VectorStorageDatatype.Float16,
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10),
    )
    sparse = {CENTROIDS: edge.EdgeSparseVectorParams()}
    if lexical:
        sparse[WORDS] = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    return edge.EdgeConfig(vectors={TOKENS: vectors}, sparse_vectors=sparse)


def field_of(path: str, schema: Any) -> tuple[str, Kind]:
    """Return field and kind of an indexed :func:`field_path`."""
    place, _, field = path.partition(".")
    if place == "flags":
        return field.strip('"'), "boolean"
    return field.strip('"'), "number" if schema.data_type == SCHEMA["number"] else "string"


def condition(filter: Filter) -> Any:
    """Return the filter as the shard takes it."""
    if isinstance(filter, Not):
        return edge.Filter(must_not=[condition(filter.part)])
    if isinstance(filter, Comparison):
        value = filter.value
        path = field_path(filter.field, kind_of(value))
        if isinstance(value, (str, bool)):
            return edge.FieldCondition(path, match=edge.MatchValue(str(value)))
        names = {"<": ["lt"], "<=": ["lte"], ">": ["gt"], ">=": ["gte"], "=": ["gte", "lte"]}[filter.operator]
        return edge.FieldCondition(path, range=edge.RangeFloat(**dict.fromkeys(names, float(value))))
    parts = [condition(part) for part in filter.parts]
    return edge.Filter(must=parts) if isinstance(filter, And) else edge.Filter(should=parts)


def point(document: Document, lexical: LexicalVectors | None) -> Any:
    """Return a passage, its vectors, its centroids and its words as the shard takes them."""
    passage, vectors, sparse = document.passage, document.vectors, document.sparse
    named: dict[str, Any] = {TOKENS: vectors.detach().to("cpu", torch.float32).numpy()}
    if sparse is not None:
        named[CENTROIDS] = edge.SparseVector(*sparse)
    if lexical is not None and (words := lexical.of_passage(passage)).indices:
        named[WORDS] = edge.SparseVector(*words)
    return edge.Point(point_id(passage.id), named, payload_of(passage, len(vectors)))


def bytes_on_disk(folder: Path) -> int:
    """Return what the files in ``folder`` take, holes left out."""
    return sum(512 * each.stat().st_blocks for each in folder.rglob("*") if each.is_file())


def damaged(index: Path, reason: object) -> IndexUnavailableError:
    """Return what to raise when the folder ``index`` is not as it was left."""
    return IndexUnavailableError(
        f"The index {index} is damaged ({reason}). Restore it from a copy, or remove the folder and build it again."
    )


@contextmanager
def reading(index: Path) -> Iterator[None]:
    """Explain what goes wrong while reading the folder ``index``."""
    try:
        yield
    except BaseException as error:
        if not _of_the_shard(error):
            raise
        if {int(number) for number in re.findall(r"(?:os error|code:) (\d+)", str(error))} & _REFUSALS:
            raise IndexUnavailableError(
                f"The index {index} cannot be used ({error}). It is not damaged: mend that, and try again."
            ) from error
        raise damaged(index, error) from error


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """Explain what goes wrong while writing to the folder ``index``."""
    try:
        yield
    except BaseException as error:
        if _of_the_shard(error) or isinstance(error, OSError):
            raise OpticalError(
                f"The index {index} could not be written ({error}). What was stored before is safe: mend that, and "
                "give the same command again."
            ) from error
        raise


def _of_the_shard(error: BaseException) -> bool:
    # Its errors are plain exceptions, and a panic is not even an Exception.
    return type(error) is Exception or type(error).__name__ == "PanicException"
