"""CIRAL: English questions against news passages in Hausa, Somali, Swahili and Yoruba.

Source: https://github.com/ciralproject/ciral and https://huggingface.co/datasets/CIRAL/ciral-corpus: passages are
lines of JSON with ``docid``, ``title``, ``text`` and ``url`` (MIRACL's corpora have the same, without ``url``);
topics are lines ``qid<TAB>query``; judgements are TREC qrels.
"""

from collections.abc import Iterator
from pathlib import Path

from optical.collections.collection import Collection, Description
from optical.collections.json_values import names_in_first_line, read_json_lines
from optical.collections.texts import Passage


class Ciral(Collection):
    """The passages; topics and qrels are read as ``tsv``."""

    description = Description(
        name="ciral",
        content="CIRAL or MIRACL passages (jsonl with docid, title and text)",
        direction="English queries, foreign passages (MIRACL: both foreign)",
        licence="Apache-2.0",
        citation="Adeyemi et al. 2024, doi 10.1145/3626772.3657884",
        origin="https://huggingface.co/datasets/CIRAL/ciral, https://huggingface.co/datasets/CIRAL/ciral-corpus",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Lines of JSON objects with ``docid`` and ``text``."""
        return {"docid", "text"} <= names_in_first_line(start)

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the passages."""
        for line in read_json_lines(Path(self.source)):
            title = line["title"].text() if "title" in line else ""
            yield line.where, Passage(line["docid"].identifier(), line["text"].text(), title)
