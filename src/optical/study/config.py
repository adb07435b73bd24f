"""The file that declares a study: languages, tests, systems, seeds, amounts of bitext."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from optical.errors import OpticalError
from optical.study.judged_queries import JudgedSet
from optical.study.kinds import KINDS
from optical.study.names import nearest
from optical.study.system_kind import SystemKind
from optical.study.trained_kinds import Supervised
from optical.study.typed_tables import made_of_table, require_type
from optical.study.untrained_kinds import Translated

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Language:
    """Where the sentence pairs of a language are.

    Attributes:
        bitext: files, as patterns relative to the data folder; see :func:`optical.bitext.read_bitext`.
    """

    bitext: list[str]


@dataclass(frozen=True)
class Test:
    """Questions of a language, English passages, and which answer which.

    Attributes:
        language: of the questions.
        passages: file, relative to the data folder, as are the others.
        queries: file of the questions.
        judgements: file; those of other queries are left aside.
        translations: file of the same questions in English, by people: what the ceiling searches with.
        parallel_questions: in place of the three, files of question pairs (English, foreign). A passage is taken for
            relevant if the teacher ranks it first for the English side: for development, where judgements are missing.
        apart_from: files of the questions of tests: parallel questions that are near copies of one are left out.
        sample: how many of the parallel questions are used, drawn with seed 0.
        counts: whether the test counts for the answer; False for one that repeats another's questions.
    """

    language: str
    passages: str
    queries: str = ""
    judgements: str = ""
    translations: str = ""
    parallel_questions: list[str] = field(default_factory=list)
    apart_from: list[str] = field(default_factory=list)
    sample: int = 300
    counts: bool = True

    def __post_init__(self) -> None:
        """Refuse a test without questions, or with two kinds of them."""
        if bool(self.parallel_questions) == bool(self.queries and self.judgements):
            raise OpticalError("give either queries and judgements, or parallel_questions")
        if self.apart_from and not self.parallel_questions:
            raise OpticalError("apart_from is for parallel_questions only")
        if self.sample < 1:
            raise OpticalError(f"sample is {self.sample}. It must be at least 1")


@dataclass(frozen=True)
class Study:
    """A study as declared.

    Attributes:
        title: heading of the report.
        teacher: Hub id or folder of the English encoder.
        languages: by code.
        tests: by name.
        systems: by name, in the order of the report.
        seeds: of everything random in training.
        amounts: numbers of sentence pairs, or "all".
        judged: sets of judged queries to train on, by name.
        distillation: settings that all distilled systems share; see :class:`optical.distillation.Settings`.
        comparisons: pairs of systems whose difference is tested.
        ceiling: name of the system that nothing is expected to beat; "" = none.
        dimension: of the projection, for a teacher that is no late-interaction checkpoint.
    """

    title: str
    teacher: str
    languages: dict[str, Language]
    tests: dict[str, Test]
    systems: dict[str, SystemKind]
    seeds: list[int] = field(default_factory=lambda: [0])
    amounts: list[int | str] = field(default_factory=lambda: ["all"])
    judged: dict[str, JudgedSet] = field(default_factory=dict)
    distillation: dict[str, Any] = field(default_factory=dict)
    comparisons: list[list[str]] = field(default_factory=list)
    ceiling: str = ""
    dimension: int = 128

    def tests_of(self, language: str) -> dict[str, Test]:
        """Return the tests whose questions are in ``language``."""
        return {name: test for name, test in self.tests.items() if test.language == language}

    def judged_depths(self) -> dict[str, int]:
        """Return the sets of judged queries that systems learn from, and how many negatives of a query at most."""
        learning = [system for system in self.systems.values() if isinstance(system, Supervised)]
        return {
            name: max(system.depth for system in learning if system.judged == name)
            for name in self.judged
            if name in {system.judged for system in learning}
        }


def read_study(path: str | Path, *, teacher: str | None = None) -> Study:
    """Return the study that a TOML file declares, with ``teacher`` in place of its own if one is given.

    Raises:
        OpticalError: the file is missing or no TOML, or it names an unknown field, kind, language or system, for
            which the nearest known name is suggested; a value is of the wrong type; or a system asks in English and
            a test has no translations.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OpticalError(f"{path} does not exist. Check the path.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OpticalError(f"{path} cannot be read as TOML ({error}). Mend it.") from error
    if teacher is not None:
        content["teacher"] = teacher
    try:
        return _study(content)
    except OpticalError as error:
        raise OpticalError(f"{path}: {error}") from error


def _study(content: dict[str, Any]) -> Study:
    made = dict(content)
    for name, part in (("languages", Language), ("tests", Test), ("judged", JudgedSet)):
        made[name] = {
            key: made_of_table(part, table, f"{name}.{key}")
            for key, table in _table_of_tables(content.get(name, {}), name).items()
        }
    shared = content.get("distillation", {})
    if not isinstance(shared, dict):
        raise OpticalError("distillation must be a table, as in [distillation].")
    made["systems"] = {
        name: _system(name, table, shared)
        for name, table in _table_of_tables(content.get("systems", {}), "systems").items()
    }
    study: Study = made_of_table(Study, made, "")
    for name in ("languages", "tests", "systems", "seeds", "amounts"):
        if not getattr(study, name):
            raise OpticalError(f"{name} is empty. Name at least one.")
    _check_names(study)
    return study


def _system(name: str, table: Mapping[str, Any], shared: Mapping[str, Any]) -> SystemKind:
    kind = table.get("kind")
    if not isinstance(kind, str):
        raise OpticalError(f"systems.{name} has no kind. Give one of: {', '.join(KINDS)}.")
    if kind not in KINDS:
        raise OpticalError(f"systems.{name} is of an unknown kind {kind!r}. {nearest(kind, KINDS)}")
    rest = {key: value for key, value in table.items() if key != "kind"}
    if KINDS[kind].settings_of is not None:
        own = {each.name for each in fields(KINDS[kind])} - {"settings"}  # type: ignore[arg-type]
        settings = {key: value for key, value in rest.items() if key not in own}
        if kind == "distilled":
            settings = {**shared, **settings}
        rest = {**{key: value for key, value in rest.items() if key in own}, "settings": settings}
        types_of = get_type_hints(KINDS[kind].settings_of)
        for setting, value in settings.items():
            if setting in types_of:
                require_type(value, types_of[setting], f"systems.{name}.{setting}")
    made: SystemKind = made_of_table(KINDS[kind], rest, f"systems.{name}")
    return made


def _check_names(study: Study) -> None:
    files: dict[str, str] = {}
    for what in ("languages", "tests", "judged", "systems"):
        for name in getattr(study, what):
            # They become parts of file names, and systems a column of run files.
            if not re.fullmatch(r"[\w.,+*()-][\w .,+*()-]*" if what == "systems" else r"[\w.-]+", name):
                raise OpticalError(f"{what} has {name!r}. Name it with letters, digits and .-_ only.")
            file = f"{what} {name.replace(' ', '-').lower()}"
            if file in files:
                raise OpticalError(
                    f"{what} has {files[file]!r} and {name!r}, whose files would have one name."
                )
            files[file] = name
    for name, test in study.tests.items():
        _check_language(f"tests.{name} is in", test.language, study)
    for language in study.languages:
        if not study.tests_of(language):
            raise OpticalError(f"languages.{language} has no test. Add one, or remove the language.")
    named = [(f"comparisons has {pair}, which", name) for pair in study.comparisons for name in pair]
    named += [("ceiling", study.ceiling)] if study.ceiling else []
    for place, name in named:
        if name not in study.systems:
            raise OpticalError(f"{place} names an unknown system {name!r}. {nearest(name, study.systems)}")
    for pair in study.comparisons:
        if len(pair) != 2:
            raise OpticalError(f"comparisons has {pair}. Each comparison names two systems.")
    earlier: list[str] = []
    for name, system in study.systems.items():
        for part in system.parts:
            if part not in earlier:
                raise OpticalError(
                    f"systems.{name} is made of {part!r}, which is not declared before it. {nearest(part, earlier)}"
                )
        earlier.append(name)
        if isinstance(system, Supervised):
            _check_judged(name, system, study)
        if isinstance(system, Translated):
            for language in system.source:
                _check_language(f"systems.{name}.source has", language, study)
        if system.asks_in_english:
            _check_translations(name, study)
    for amount in study.amounts:
        if amount != "all" and (not isinstance(amount, int) or amount < 1):
            raise OpticalError(f'amounts has {amount!r}. Give numbers of sentence pairs from 1 up, or "all".')


def _check_language(place: str, language: str, study: Study) -> None:
    if language not in study.languages:
        raise OpticalError(f"{place} an unknown language {language!r}. {nearest(language, study.languages)}")


def _check_translations(system: str, study: Study) -> None:
    for name, test in study.tests.items():
        if not (test.translations or test.parallel_questions):
            raise OpticalError(
                f"systems.{system} asks in English, and tests.{name} has no translations. Add them, or remove the "
                "system."
            )


def _check_judged(name: str, system: Supervised, study: Study) -> None:
    if system.judged not in study.judged:
        raise OpticalError(
            f"systems.{name}.judged is an unknown set {system.judged!r}. {nearest(system.judged, study.judged)}"
        )
    if system.needs_translations and not study.judged[system.judged].translations:
        raise OpticalError(
            f"systems.{name} has the objective kl, and judged.{system.judged} no translations. Add them, or choose "
            "the objective contrastive."
        )


def _table_of_tables(value: Any, name: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise OpticalError(f"{name} must be tables, as in [{name}.NAME].")
    return value
