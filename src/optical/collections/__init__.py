"""Passages, queries, judgements and runs: reading and writing their file formats."""

from optical.collections.judgements import Judgements, read_judgements
from optical.collections.runs import Run, ranked, read_run, write_run
from optical.collections.texts import Passage, read_passages, read_queries

__all__ = [
    "Judgements",
    "Passage",
    "Run",
    "ranked",
    "read_judgements",
    "read_passages",
    "read_queries",
    "read_run",
    "write_run",
]
