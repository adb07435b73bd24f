"""Passages, queries, judgements and runs: reading and writing their file formats."""

from optical.collections.collection import Collection
from optical.collections.fusion import reciprocal_rank_fusion
from optical.collections.judgements import Judgements
from optical.collections.recognition import open_collection, read_judgements, read_passages, read_queries
from optical.collections.runs import Run, ranked, read_run, write_run
from optical.collections.texts import MetadataValue, Passage

__all__ = [
    "Collection",
    "Judgements",
    "MetadataValue",
    "Passage",
    "Run",
    "open_collection",
    "ranked",
    "read_judgements",
    "read_passages",
    "read_queries",
    "read_run",
    "reciprocal_rank_fusion",
    "write_run",
]
