"""Kinds of system that need no training: encoders as they are, lexical search, given translators, fusion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from optical.collections import Run
from optical.distillation import graft
from optical.encoders import FromBitext, load_encoder
from optical.errors import OpticalError
from optical.rivals import Fusion, LexicalSearch, ProbabilisticStructuredQueries, Translator
from optical.study.searching import (
    DISTILLATION,
    LEXICAL,
    MEASURING,
    SEARCHING,
    TABLE,
    TRANSLATION,
    WORDS,
    search_with_artefact,
    searching,
    translating,
)
from optical.study.system_kind import Made, SystemKind
from optical.study.workplace import Workplace


@dataclass(frozen=True)
class Encoder(SystemKind):
    """A checkpoint as it is, asked in the foreign language: the teacher, or another, which encodes the passages too."""

    encoder: str = ""  # "" = the teacher

    name = "encoder"
    code = SEARCHING

    @property
    def checkpoint(self) -> str:
        """Return the encoder."""
        return self.encoder

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        encoder = load_encoder(self.encoder, dimension=place.dimension) if self.encoder else place.teacher
        return Made(searching(place, encoder))


@dataclass(frozen=True)
class Ceiling(SystemKind):
    """The teacher, asked with human translations of the questions."""

    name = "ceiling"
    code = SEARCHING
    asks_in_english = True

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(searching(place, place.teacher))


@dataclass(frozen=True)
class Untrained(SystemKind):
    """A student before any training."""

    student: FromBitext = "graft"
    weighted: bool = True

    name = "untrained"
    reads_bitext = True
    code = DISTILLATION

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        folder = place.work / f"untrained-{place.cell}"
        if not folder.exists():
            graft(
                place.teacher_name,
                place.bitext_file,
                folder,
                student=self.student,
                weighted=self.weighted,
                dimension=place.dimension,
            )
        return search_with_artefact(place, folder)


@dataclass(frozen=True)
class Lexical(SystemKind):
    """BM25 with the question as it is."""

    name = "bm25"
    code = LEXICAL

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(lambda test: LexicalSearch(place.passages(test)))


@dataclass(frozen=True)
class LexicalCeiling(Lexical):
    """BM25 with human translations of the questions."""

    name = "bm25-ceiling"
    asks_in_english = True


@dataclass(frozen=True)
class StructuredQueries(SystemKind):
    """Probabilistic structured queries from a translation table of the same bitext."""

    name = "psq"
    reads_bitext = True
    code = (
        *MEASURING,
        *TABLE,
        *WORDS,
        "bitext/query_translations.py",
        "bitext/structured_queries.py",
        "rivals/structured_queries.py",
    )

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(lambda test: ProbabilisticStructuredQueries(place.bitext, place.passages(test)))


@dataclass(frozen=True)
class Translated(SystemKind):
    """Questions translated by any checkpoint, then searched in English.

    Attributes:
        translator: Hub id or folder.
        search: "teacher" or "bm25".
        source: code of the foreign language by which the checkpoint knows it, for each language of the study.
        target: code of English.
    """

    translator: str
    search: Literal["teacher", "bm25"] = "teacher"
    source: dict[str, str] = field(default_factory=dict)
    target: str = ""

    name = "translated"
    code = TRANSLATION

    @property
    def checkpoint(self) -> str:
        """Return the translator."""
        return self.translator

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        source, target = self.source.get(place.language) or None, self.target or None
        return Made(
            translating(place, Translator(self.translator, source=source, target=target), self.search)
        )


@dataclass(frozen=True)
class Fused(SystemKind):
    """Reciprocal rank fusion of the runs of systems declared before."""

    systems: list[str]

    name = "fused"
    reads_bitext = True
    seeded = True
    code = (*MEASURING, "collections/fusion.py", "rivals/fusion.py")

    def __post_init__(self) -> None:
        """Refuse a fusion of nothing."""
        if not self.systems:
            raise OpticalError("systems is empty. Name those whose rankings are to be fused")

    @property
    def parts(self) -> list[str]:
        """Return the systems."""
        return self.systems

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(lambda test: Fusion([_Recorded(place.run_of(system, test)) for system in self.systems]))


@dataclass(frozen=True)
class _Recorded:
    """A system whose run is known."""

    run: Run

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        return {query: self.run.get(query, {}) for query in queries}
