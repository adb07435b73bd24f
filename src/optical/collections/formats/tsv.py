"""Tab-separated files of passages, queries or judgements, TREC qrels, and jsonl files as in BEIR.

Source: the readers themselves, :mod:`optical.collections.texts` and :mod:`optical.collections.judgements`.
"""

from collections.abc import Iterator
from pathlib import Path

from optical.collections.collection import Collection, Description
from optical.collections.judgements import Judgements, read_judgements
from optical.collections.texts import Passage, read_passages, read_queries


class TabSeparated(Collection):
    """One file with one part of a collection: the caller says which by what he asks for."""

    description = Description(
        name="tsv",
        content="lines of id<TAB>text, id<TAB>title<TAB>text, query<TAB>passage<TAB>relevance, TREC qrels, or "
        "jsonl objects with _id and text",
        direction="any",
        licence="of the data",
        citation="none",
        origin="this package",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Any file that nothing else recognises, unless it is JSON or XML of another kind."""
        line = start.partition("\n")[0]
        return (
            path.name.endswith((".jsonl", ".jsonl.gz"))
            or "\t" in line
            or not line.startswith(("{", "[", "<"))
        )

    def passages(self) -> Iterator[Passage]:
        """See :func:`optical.collections.texts.read_passages`."""
        return read_passages(self.source)

    def queries(self, language: str | None = None) -> dict[str, str]:
        """See :func:`optical.collections.texts.read_queries`."""
        return read_queries(self.source)

    def judgements(self) -> Judgements:
        """See :func:`optical.collections.judgements.read_judgements`."""
        return read_judgements(self.source)
