"""The folder of a BEIR set: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``, plain or ``.gz``.

Source: Thakur et al. 2021, https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset.
"""

from pathlib import Path

from optical.collections.collection import Description
from optical.collections.formats.tsv import TabSeparated
from optical.collections.judgements import Judgements, read_judgements
from optical.errors import OpticalError


class Beir(TabSeparated):
    """A BEIR folder; ``FOLDER#train`` takes the judgements of the split ``train`` in place of ``test``."""

    description = Description(
        name="beir",
        content="a BEIR folder (corpus.jsonl, queries.jsonl, qrels/test.tsv)",
        direction="any; the sets of BEIR itself are English on both sides",
        licence="of the data: each set of BEIR has its own",
        citation="Thakur et al. 2021, arXiv 2104.08663",
        origin="https://github.com/beir-cellar/beir",
        part="the split of the judgements; by default test",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Any folder: what nothing else recognises; its errors say what is missing."""
        return path.is_dir()

    def judgements(self) -> Judgements:
        """Return the judgements of the split that the source's part names, by default ``test``."""
        if not self.part:
            return read_judgements(self.source)
        for suffix in ("", ".gz"):
            path = Path(self.source, "qrels", f"{self.part}.tsv{suffix}")
            if path.exists():
                return read_judgements(path)
        raise OpticalError(f"{self.source} has no qrels/{self.part}.tsv. Name a split that is there.")
