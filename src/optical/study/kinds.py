"""The kinds of system that a study can have, and how each is made from bitext and seed."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

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
from optical.study.system_kind import Made, SystemKind
from optical.study.workplace import Workplace

# How tests and bitext were read and cleaned shows in their digests; only the files of passages are read again.
_MEASURING = ("collections/texts.py", "collections/runs.py", "evaluation")
_SEARCHING = (*_MEASURING, "encoders", "index", "rivals/encoder_search.py")
_TABLE = ("bitext/translation_table.py",)
_DISTILLATION = (*_SEARCHING, *_TABLE, "transport", "objectives", "distillation")
_LEXICAL = (*_MEASURING, "bitext/words.py", "rivals/lexical.py")
_TRANSLATION = (*_SEARCHING, *_LEXICAL, "rivals/translation.py")


@dataclass(frozen=True)
class Encoder(SystemKind):
    """A checkpoint as it is, asked in the foreign language: the teacher, or a multilingual one with its own index."""

    encoder: str = ""  # "" = the teacher

    name = "encoder"
    code = _SEARCHING

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        encoder = load_encoder(self.encoder, dimension=place.dimension) if self.encoder else place.teacher
        return Made(_searching(place, encoder))


@dataclass(frozen=True)
class Ceiling(SystemKind):
    """The teacher, asked with human translations of the questions."""

    name = "ceiling"
    code = _SEARCHING
    asks_in_english = True

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        return Made(_searching(place, place.teacher))


@dataclass(frozen=True)
class Untrained(SystemKind):
    """A student before any training."""

    student: Literal["graft", "transplant"] = "graft"

    name = "untrained"
    reads_bitext = True
    code = _DISTILLATION

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

    name = "distilled"
    reads_bitext = True
    seeded = True
    code = _DISTILLATION

    def __post_init__(self) -> None:
        """Refuse settings that a distillation would refuse."""
        known = [setting.name for setting in fields(Settings) if setting.name not in ("seed", "dimension")]
        for name in self.settings:
            if name not in known:
                raise OpticalError(f"there is no setting {name!r} of a distillation. {nearest(name, known)}")
        Settings(**self.settings)

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        folder = place.work / f"distilled-{place.cell}"
        if not folder.exists():
            settings = {"dimension": place.dimension, **self.settings, "seed": place.seed}
            distill(
                place.teacher_name,
                place.bitext_file,
                folder,
                cache=place.work / f"cache-{place.code}",
                **settings,
            )
        return _artefact(place, folder)


@dataclass(frozen=True)
class Lexical(SystemKind):
    """BM25 with the question as it is."""

    name = "bm25"
    code = _LEXICAL

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
    code = (*_MEASURING, *_TABLE, "bitext/words.py", "rivals/structured_queries.py")

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
    code = _TRANSLATION

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
        held_back: sentence pairs to choose the best translator by.
    """

    steps: int
    search: Literal["teacher", "bm25"] = "teacher"
    held_back: int = 500

    name = "translated-from-scratch"
    reads_bitext = True
    seeded = True
    code = (
        *_TRANSLATION,
        *_TABLE,
        "distillation",
        "rivals/translator_training.py",
        "rivals/translator_settings.py",
        "rivals/subwords.py",
        "rivals/guided_alignment.py",
    )

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        # The systems that differ only in what they search with share the translator.
        name = (
            f"translator-{place.bitext.digest()[:16]}-{self.steps}-{self.held_back}-{place.seed}-{place.code}"
        )
        folder = place.work / name
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                train_translator(
                    place.bitext, folder, steps=self.steps, seed=place.seed, held_back=self.held_back
                )
        provenance = read_translator_provenance(folder)
        return Made(
            _translating(place, Translator(str(folder)), self.search),
            {**provenance, "chrF": provenance["development"]["chrf"]},
        )


@dataclass(frozen=True)
class Fused(SystemKind):
    """Reciprocal rank fusion of the runs of systems declared before."""

    systems: list[str]

    name = "fused"
    reads_bitext = True
    seeded = True
    code = (*_MEASURING, "rivals/fusion.py")

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


KINDS: dict[str, type[SystemKind]] = {
    kind.name: kind
    for kind in (
        Encoder,
        Ceiling,
        Untrained,
        Distilled,
        Lexical,
        LexicalCeiling,
        StructuredQueries,
        Translated,
        TranslatedFromScratch,
        Fused,
    )
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


def _artefact(place: Workplace, folder: Path) -> Made:
    # What the teacher is called here is of no interest elsewhere; which it was is part of the cell's identity.
    record = {name: value for name, value in read_provenance(folder).items() if name != "teacher"}
    return Made(_searching(place, load_encoder(folder)), record, tidy=lambda: shutil.rmtree(folder))
