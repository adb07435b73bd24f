"""Every set that ``ir_datasets`` knows, by its id: MS MARCO, mMARCO, NeuCLIR, CLIRMatrix, MIRACL and many more.

Source: MacAvaney et al. 2021, https://ir-datasets.com, version 0.6: ``docs_iter``, ``queries_iter``, ``qrels_iter``,
``docpairs_iter`` and ``docs_store``. It fetches, checks and keeps the files itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from optical.collections.collection import Collection, Description
from optical.collections.texts import Passage
from optical.errors import OpticalError


class IrDatasets(Collection):
    """``ir_datasets:ID``; ``ID#de`` takes the human translations of the queries where the set has them (NeuCLIR)."""

    description = Description(
        name="ir_datasets",
        content="an id of ir_datasets, such as ir_datasets:mmarco/v2/de/train",
        direction="that of the set: mmarco foreign queries, passages with the ids of MS MARCO's English ones; neuclir "
        "English queries, foreign passages; miracl both foreign; clirmatrix/xx/.../yy passages in xx, queries in yy",
        licence="of the data, see https://ir-datasets.com",
        citation="MacAvaney et al. 2021, arXiv 2103.02280, and that of the set",
        origin="https://ir-datasets.com",
        part="the language of the queries, where there are human translations",
    )

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the documents; what has a title and a text keeps them apart, of others all text is taken."""
        for position, document in enumerate(self._records("docs"), start=1):
            yield f"{self.source}: document {position}", _passage(document)

    def read_queries(self, language: str | None) -> Iterator[tuple[str, str, str]]:
        """Yield the queries: their text or title, or its human translation."""
        language = language or self.part
        original = not language or language == self._dataset().queries_lang()
        for position, query in enumerate(self._records("queries"), start=1):
            where = f"{self.source}: query {position}"
            if original:
                text = getattr(query, "text", None) or query.default_text()
            elif getattr(query, "translation_lang", None) == language:
                text = query.ht_title
            else:
                raise OpticalError(f"{where} is not there in {language!r}. Name another language, or none.")
            yield where, query.query_id, str(text or "").strip()

    def read_judgements(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield the judgements; of several for one pair (subtopics, assessors) the last counts."""
        judgements = {
            (judgement.query_id, judgement.doc_id): judgement.relevance
            for judgement in self._records("qrels")
        }
        for (query, passage), relevance in judgements.items():
            yield f"{self.source}: judgement", query, passage, relevance

    def triples(self) -> Iterator[tuple[str, str, str]] | None:
        """Return the pairs of documents, where the set has some, streaming."""
        dataset = self._dataset()
        if not dataset.has_docpairs():
            return None
        return ((pair.query_id, pair.doc_id_a, pair.doc_id_b) for pair in self._records("docpairs"))

    def contents(self, wanted: set[str] | None) -> Mapping[str, str]:
        """Look passages up in the store that ``ir_datasets`` keeps on disk."""
        dataset = self._dataset()
        if not dataset.has_docs():
            raise self.lacks("passages")
        with self._explained():
            return _Stored(dataset.docs_store())

    def _records(self, part: str) -> Iterator[Any]:
        dataset = self._dataset()
        if not getattr(dataset, f"has_{part}")():
            raise self.lacks({"docs": "passages", "qrels": "judgements"}.get(part, part))
        with self._explained():
            yield from getattr(dataset, f"{part}_iter")()

    def _dataset(self) -> Any:
        try:
            import ir_datasets
        except ImportError as error:
            raise OpticalError(
                f"{self.source} is read by ir_datasets, which is not installed. Run: pip install 'optical[data]'"
            ) from error
        try:
            return ir_datasets.load(self.source)
        except KeyError as error:
            near = ", ".join(get_close_matches(self.source, list(ir_datasets.registry), n=3, cutoff=0.5))
            raise OpticalError(
                f"ir_datasets knows no {self.source}. "
                + (f"Perhaps: {near}." if near else "See https://ir-datasets.com.")
            ) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say where files can be placed by hand when they cannot be fetched."""
        try:
            yield
        except Exception as error:  # ir_datasets raises whatever its downloads and parsers raise
            import ir_datasets

            raise OpticalError(
                f"ir_datasets cannot read {self.source} ({type(error).__name__}: {error}). Its folder is "
                f"{ir_datasets.util.home_path()}; https://ir-datasets.com says what to place there by hand."
            ) from error


class _Stored(Mapping[str, str]):
    """Passage id -> content, looked up on disk."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getitem__(self, passage: str) -> str:
        return _passage(self._store.get(passage)).content

    def __iter__(self) -> Iterator[str]:
        return (document.doc_id for document in self._store)

    def __len__(self) -> int:
        return int(self._store.count())


def _passage(document: Any) -> Passage:
    if hasattr(document, "title") and hasattr(document, "text"):
        return Passage(document.doc_id, str(document.text).strip(), str(document.title or "").strip())
    return Passage(document.doc_id, str(document.default_text()).strip())
