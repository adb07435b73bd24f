"""Kinds of system that are trained: on the bitext of a language, or from there on judged queries."""

import hashlib
import json
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from filelock import FileLock

from optical.distillation import Settings, distill
from optical.errors import OpticalError
from optical.rivals import Translator, TranslatorSettings, read_translator_provenance, train_translator
from optical.study.judged_queries import JUDGEMENTS, NEGATIVES, PASSAGES, QUERIES, TRANSLATIONS
from optical.study.names import nearest
from optical.study.searching import DISTILLATION, TABLE, TRANSLATION, search_with_artefact, translating
from optical.study.system_kind import Made, SystemKind
from optical.study.workplace import Workplace
from optical.supervision import SupervisionSettings, needs_bitext, supervise
from optical.supervision.ranking_loss import parse_terms


@dataclass(frozen=True)
class Distilled(SystemKind):
    """A student distilled from the teacher; ``settings`` are those of :class:`optical.distillation.Settings`."""

    settings: dict[str, Any]

    name = "distilled"
    settings_of = Settings
    reads_bitext = True
    seeded = True
    code = DISTILLATION

    def __post_init__(self) -> None:
        """Refuse settings that a distillation would refuse."""
        _check_settings(self.settings, Settings)

    @property
    def checkpoint(self) -> str:
        """Return what the student is made of."""
        return _checkpoint(self.settings)

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
        return search_with_artefact(place, folder)


@dataclass(frozen=True)
class Supervised(SystemKind):
    """A student trained on judged queries, from the graft that the same bitext gives.

    Attributes:
        judged: name of the set of judged queries; a language that the set has not gets no student.
        settings: those of :class:`optical.supervision.SupervisionSettings`.
    """

    judged: str
    settings: dict[str, Any]

    name = "supervised"
    settings_of = SupervisionSettings
    reads_bitext = True
    seeded = True
    code = (*DISTILLATION, "supervision")

    def __post_init__(self) -> None:
        """Refuse settings that the training would refuse."""
        _check_settings(self.settings, SupervisionSettings)

    @property
    def checkpoint(self) -> str:
        """Return what the student is made of."""
        return _checkpoint(self.settings)

    @property
    def judged_queries(self) -> str:
        """Return the name of the set."""
        return self.judged

    @property
    def depth(self) -> int:
        """Return how many negatives of a query the training looks at."""
        return SupervisionSettings(**self.settings).depth

    @property
    def needs_translations(self) -> bool:
        """Say whether the training follows the teacher's scores of the English queries."""
        return "kl" in parse_terms(SupervisionSettings(**self.settings).objective)

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        folder = place.work / f"supervised-{place.cell}"
        if not folder.exists():
            settings = {"dimension": place.dimension, **self.settings, "seed": place.seed}
            judged = place.judged_queries(self.judged)
            supervise(
                place.teacher_name,
                judged / QUERIES,
                judged / PASSAGES,
                judged / JUDGEMENTS,
                folder,
                bitext=[place.bitext_file] if needs_bitext(SupervisionSettings(**settings).student) else [],
                negatives=judged / NEGATIVES if (judged / NEGATIVES).exists() else None,
                translations=judged / TRANSLATIONS if self.needs_translations else None,
                cache=place.work / f"cache-{place.code}",
                **settings,
            )
        return search_with_artefact(place, folder)


@dataclass(frozen=True)
class TranslatedFromScratch(SystemKind):
    """Questions translated by a model trained on the same bitext and nothing else, then searched in English.

    Attributes:
        settings: those of :class:`optical.rivals.TranslatorSettings`.
        search: "teacher" or "bm25".
    """

    settings: dict[str, Any]
    search: Literal["teacher", "bm25"] = "teacher"

    name = "translated-from-scratch"
    settings_of = TranslatorSettings
    reads_bitext = True
    seeded = True
    code = (
        *TRANSLATION,
        *TABLE,
        "distillation",
        "rivals/translator_training.py",
        "rivals/translator_settings.py",
        "rivals/subwords.py",
        "rivals/guided_alignment.py",
    )

    def __post_init__(self) -> None:
        """Refuse settings that the training of a translator would refuse."""
        _check_settings(self.settings, TranslatorSettings)

    def make(self, place: Workplace) -> Made:
        """See :meth:`SystemKind.make`."""
        settings = {**self.settings, "seed": place.seed}
        # The systems that differ only in what they search with share the translator.
        content = json.dumps([place.bitext.digest(), settings, place.code], sort_keys=True)
        folder = place.work / f"translator-{hashlib.blake2b(content.encode(), digest_size=8).hexdigest()}"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                train_translator(place.bitext, folder, **settings)
        provenance = read_translator_provenance(folder)
        return Made(
            translating(place, Translator(str(folder)), self.search),
            {**provenance, "chrF": provenance["development"]["chrf"]},
        )


def _checkpoint(settings: dict[str, Any]) -> str:
    student = str(settings.get("student", "graft"))
    return student.partition(":")[2] if needs_bitext(student) else student


def _check_settings(settings: dict[str, Any], of: type[Any]) -> None:
    """Refuse settings that ``of`` does not have or would refuse."""
    # The seed and the teacher's dimension are for the study as a whole to say.
    known = [setting for setting in fields(of) if setting.name not in ("seed", "dimension")]
    names = [setting.name for setting in known]
    for name in settings:
        if name not in names:
            raise OpticalError(f"there is no setting {name!r} of the training. {nearest(name, names)}")
    for setting in known:
        if setting.default is MISSING and setting.name not in settings:
            raise OpticalError(f"{setting.name} is missing. Add it")
    of(**{"seed": 0, **settings})
