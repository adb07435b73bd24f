"""The kinds of system that a study can have, and how each is made from bitext and seed."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from filelock import FileLock
from sentence_transformers import MultiVectorEncoder

from optical.collections import Run
from optical.distillation import Settings, distill, graft
from optical.encoders import load_encoder, read_provenance
from optical.errors import OpticalError
from optical.rivals import (
    EncoderSearch,
    Fusion,
    LexicalSearch,
    ProbabilisticStructuredQueries,
    QueryTranslation,
    System,
    Translator,
    read_translator_provenance,
    train_translator,
)
from optical.study.names import nearest
from optical.study.workplace import Workplace

_RETRIEVAL = ("collections", "encoders", "index", "evaluation")
_DISTILLATION = ("transport", "objectives", "bitext", "distillation", *_RETRIEVAL)


@dataclass(frozen=True)
class Made:
    """A system made for one language, amount of bitext and seed.

    Attributes:
        search: gives the system that searches the passages of a test, by the test's name.
        record: what its making has to say of itself.
        tidy: removes what is not needed any more once the system was measured.
    """

    search: Callable[[str], System]
    record: dict[str, Any] = field(default_factory=dict)
    tidy: Callable[[], None] = lambda: None


class SystemKind(ABC):
    """How a system is made.

    Attributes:
        reads_bitext: whether it depends on the bitext, and so on its amount.
        seeded: whether it depends on the seed.
        asks_in_english: whether it is given the human translations of the questions.
        packages: the parts of this package whose code decides what it finds.
    """

    reads_bitext: ClassVar[bool] = False
    seeded: ClassVar[bool] = False
    asks_in_english: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = _RETRIEVAL

    @property
    def parts(self) -> list[str]:
        """Return the names of the systems whose runs this one combines."""
        return []

    @abstractmethod
    def make(self, place: Workplace) -> Made:
        """Make the system; what it takes long to make lies in the workplace until it was measured."""

    def as_dict(self) -> dict[str, Any]:
        """Return what identifies the kind and its settings."""
        return {"kind": next(name for name, kind in KINDS.items() if kind is type(self)), **vars(self)}


@dataclass(frozen=True)
class Encoder(SystemKind):
    """A checkpoint as it is, asked in the foreign language: the teacher, or a multilingual one with its own index."""

    encoder: str = ""  # "" = the teacher

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        encoder = load_encoder(self.encoder, dimension=place.dimension) if self.encoder else place.teacher
        return Made(_searching(place, encoder))


@dataclass(frozen=True)
class Ceiling(SystemKind):
    """The teacher, asked with human translations of the questions."""

    asks_in_english = True

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(_searching(place, place.teacher))


@dataclass(frozen=True)
class Untrained(SystemKind):
    """A student before any training."""

    student: Literal["graft", "transplant"] = "graft"

    reads_bitext = True
    packages = _DISTILLATION

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        folder = place.work / f"untrained-{place.cell}"
        if not folder.exists():
            graft(
                place.teacher_name, place.bitext_file, folder, student=self.student, dimension=place.dimension
            )
        return _artefact(place, folder)


@dataclass(frozen=True)
class Distilled(SystemKind):
    """A student distilled from the teacher; ``settings`` are those of :class:`optical.distillation.Settings`."""

    settings: dict[str, Any]

    reads_bitext = True
    seeded = True
    packages = _DISTILLATION

    def __post_init__(self) -> None:
        """Refuse settings that a distillation would refuse."""
        known = [setting.name for setting in fields(Settings)]
        for name in self.settings:
            if name not in known:
                raise OpticalError(f"there is no setting {name!r} of a distillation. {nearest(name, known)}")
        Settings(**self.settings)

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        folder = place.work / f"distilled-{place.cell}"
        if not folder.exists():
            settings = {"dimension": place.dimension, **self.settings, "seed": place.seed}
            distill(place.teacher_name, place.bitext_file, folder, cache=place.work / "cache", **settings)
        return _artefact(place, folder)


@dataclass(frozen=True)
class Lexical(SystemKind):
    """BM25 with the question as it is."""

    packages = ("collections", "bitext", "rivals")

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(lambda test: LexicalSearch(place.passages(test)))


@dataclass(frozen=True)
class LexicalCeiling(Lexical):
    """BM25 with human translations of the questions."""

    asks_in_english = True


@dataclass(frozen=True)
class StructuredQueries(SystemKind):
    """Probabilistic structured queries from a translation table of the same bitext."""

    reads_bitext = True
    packages = ("collections", "bitext", "rivals")

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

    packages = (*_RETRIEVAL, "bitext", "rivals")

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        source, target = self.source.get(place.language) or None, self.target or None
        return Made(
            _translating(place, Translator(self.translator, source=source, target=target), self.search)
        )


@dataclass(frozen=True)
class TranslatedFromScratch(SystemKind):
    """Questions translated by a model trained on the same bitext and nothing else, then searched in English.

    Attributes:
        steps: of training.
        search: "teacher" or "bm25".
    """

    steps: int
    search: Literal["teacher", "bm25"] = "teacher"

    reads_bitext = True
    seeded = True
    packages = (*_RETRIEVAL, "bitext", "distillation", "rivals")

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        # The systems that differ only in what they search with share the translator.
        folder = place.work / f"translator-{place.bitext.digest()[:16]}-{self.steps}-{place.seed}"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                train_translator(place.bitext, folder, steps=self.steps, seed=place.seed)
        provenance = read_translator_provenance(folder)
        return Made(
            _translating(place, Translator(str(folder)), self.search),
            {**provenance, "chrF": provenance["development"]["chrf"]},
        )


@dataclass(frozen=True)
class Fused(SystemKind):
    """Reciprocal rank fusion of the runs of systems declared before."""

    systems: list[str]

    reads_bitext = True
    seeded = True
    packages = ("collections", "rivals")

    @property
    def parts(self) -> list[str]:
        """Return the systems."""
        return self.systems

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(lambda test: Fusion([_Recorded(place.run_of(system, test)) for system in self.systems]))


KINDS: dict[str, type[SystemKind]] = {
    "encoder": Encoder,
    "ceiling": Ceiling,
    "untrained": Untrained,
    "distilled": Distilled,
    "bm25": Lexical,
    "bm25-ceiling": LexicalCeiling,
    "psq": StructuredQueries,
    "translated": Translated,
    "translated-from-scratch": TranslatedFromScratch,
    "fused": Fused,
}
"""Kinds by the name they have in the configuration."""


@dataclass(frozen=True)
class _Recorded:
    """A system whose run is known."""

    run: Run

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        return {query: self.run.get(query, {}) for query in queries}


def _searching(place: Workplace, encoder: MultiVectorEncoder) -> Callable[[str], System]:
    return lambda test: EncoderSearch(encoder, place.index(test, encoder))


def _translating(place: Workplace, translator: Translator, search: str) -> Callable[[str], System]:
    def system(test: str) -> System:
        searching = _searching(place, place.teacher) if search == "teacher" else Lexical().make(place).search
        return QueryTranslation(translator, searching(test))

    return system


def _artefact(place: Workplace, folder: Any) -> Made:
    return Made(
        _searching(place, load_encoder(folder)),
        read_provenance(folder),
        tidy=lambda: shutil.rmtree(folder),
    )
