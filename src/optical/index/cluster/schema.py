"""How the index is written in the terms of a Qdrant collection: schema, points, conditions."""

from typing import Any

from qdrant_client import models

from optical.index.engine import Document
from optical.index.filters import And, Comparison, Filter, Kind, Not, kind_of
from optical.index.lexical import LexicalVectors
from optical.index.payload import CENTROIDS, TOKENS, WORDS, field_path, payload_of, point_id

FIELD_INDEX: dict[Kind, models.PayloadSchemaType] = {
    "string": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.FLOAT,
    "boolean": models.PayloadSchemaType.KEYWORD,
}
# Points without token vectors hold the centroids.
PASSAGES = models.Filter(must=[models.HasVectorCondition(has_vector=TOKENS)])
NO_PASSAGES = models.Filter(must_not=[models.HasVectorCondition(has_vector=TOKENS)])


def vectors_of(dimension: int, compact: bool) -> dict[str, models.VectorParams]:
    """Return the schema of :func:`optical.index.shard.configuration`: multi-vectors, MaxSim, no graph."""
    return {
        TOKENS: models.VectorParams(
            size=dimension,
            distance=models.Distance.DOT,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            datatype=models.Datatype.TURBO8 if compact else models.Datatype.FLOAT16,
            hnsw_config=models.HnswConfigDiff(m=0),
        )
    }


def sparse_vectors_of(lexical: bool) -> dict[str, models.SparseVectorParams]:
    """Return the schema of the sparse vectors; lexical ones are weighted by the rarity of words."""
    sparse = {CENTROIDS: models.SparseVectorParams()}
    if lexical:
        sparse[WORDS] = models.SparseVectorParams(modifier=models.Modifier.IDF)
    return sparse


def point(document: Document, lexical: LexicalVectors | None) -> models.PointStruct:
    """Return a passage, its vectors, its centroids and its words as the server takes them."""
    passage, sparse = document.passage, document.sparse
    # Rounded as the server rounds them: the numbers are shorter so.
    vectors = document.vectors.detach().to("cpu").half().numpy()
    named: dict[str, Any] = {TOKENS: vectors.tolist()}
    if sparse is not None:
        named[CENTROIDS] = models.SparseVector(indices=sparse.indices, values=sparse.values)
    if lexical is not None and (words := lexical.of_passage(passage)).indices:
        named[WORDS] = models.SparseVector(indices=words.indices, values=words.values)
    return models.PointStruct(
        id=str(point_id(passage.id)), vector=named, payload=payload_of(passage, len(vectors))
    )


def condition(filter: Filter) -> models.Condition:
    """Return the filter as the server takes it."""
    if isinstance(filter, Not):
        return models.Filter(must_not=[condition(filter.part)])
    if isinstance(filter, Comparison):
        value = filter.value
        path = field_path(filter.field, kind_of(value))
        if isinstance(value, (str, bool)):
            return models.FieldCondition(key=path, match=models.MatchValue(value=str(value)))
        names = {"<": ["lt"], "<=": ["lte"], ">": ["gt"], ">=": ["gte"], "=": ["gte", "lte"]}[filter.operator]
        return models.FieldCondition(key=path, range=models.Range(**dict.fromkeys(names, float(value))))
    parts = [condition(part) for part in filter.parts]
    return models.Filter(must=parts) if isinstance(filter, And) else models.Filter(should=parts)
