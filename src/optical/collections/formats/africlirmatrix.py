"""AfriCLIRMatrix: English titles as queries, Wikipedia articles in 15 African languages as passages.

Source: https://github.com/castorini/africlirmatrix (``test/queries/topics.*.tsv``: ``id<TAB>title``;
``test/qrels/qrels.*.txt``: TREC qrels) and https://huggingface.co/datasets/castorini/africlirmatrix
(its card and ``africlirmatrix-v1.0-<language>/corpus.jsonl``), whose lines have ``id`` and ``contents``.
"""

from collections.abc import Iterator
from pathlib import Path

from optical.collections.collection import Collection, Description
from optical.collections.json_values import names_in_first_line, read_json_lines
from optical.collections.texts import Passage


class AfriClirMatrix(Collection):
    """The passages; topics and qrels are read as ``tsv``."""

    description = Description(
        name="africlirmatrix",
        content="AfriCLIRMatrix passages (jsonl with id and contents)",
        direction="English queries, foreign passages",
        licence="Apache-2.0",
        citation="Ogundepo et al., EMNLP 2022",
        origin="https://github.com/castorini/africlirmatrix, https://huggingface.co/datasets/castorini/africlirmatrix",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Lines of JSON objects with ``id`` and ``contents``."""
        return {"id", "contents"} <= names_in_first_line(start)

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the passages."""
        for line in read_json_lines(Path(self.source)):
            title = line["title"].text() if "title" in line else ""
            yield line.where, Passage(line["id"].identifier(), line["contents"].text(), title)
