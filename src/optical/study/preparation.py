"""From the declared files to what the cells read: tests with judgements, bitext without copies of the tests."""

import hashlib
import itertools
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, read_bitext, without_near_copies
from optical.collections import read_judgements, read_queries
from optical.distillation import Settings
from optical.encoders import FROM_BITEXT, fingerprint, load_encoder
from optical.errors import OpticalError
from optical.files import replace_file
from optical.models import TINY_EN
from optical.objectives import make_objective
from optical.rivals import EncoderSearch
from optical.study.config import Study, Test
from optical.study.declared_files import declared_file, declared_files
from optical.study.judged_queries import PreparedSet, prepare_judged_queries
from optical.study.names import nearest
from optical.study.system_kind import SystemKind
from optical.study.trained_kinds import Distilled
from optical.study.workplace import PreparedTest, judged_folder, passages_by_id


@dataclass(frozen=True)
class PreparedBitext:
    """The sentence pairs of a language and amount: their file, digest, number, and what was left out."""

    file: Path
    digest: str
    pairs: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class Prepared:
    """What all cells of a study start from.

    Attributes:
        teacher: fingerprints of its two sides.
        tests: by name.
        bitext: by language and amount; amounts that reach the whole are left to "all".
        judged: sets of judged queries, by name and language; those that are not there are missing.
        checkpoints: digests of the folders that systems start from or search with, by system; what has a Hub id is
            known by that.
    """

    teacher: list[str]
    tests: dict[str, PreparedTest]
    bitext: dict[tuple[str, int | str], PreparedBitext]
    judged: dict[tuple[str, str], PreparedSet]
    checkpoints: dict[str, str]


def prepare(study: Study, data: Path, work: Path) -> Prepared:
    """Read all declared files and write the prepared ones into ``work``.

    Raises:
        OpticalError: a file is missing (the nearest existing name is suggested) or broken, an objective is unknown, a
            checkpoint is nowhere, or no bitext or judged query is left.
    """
    work.mkdir(parents=True, exist_ok=True)
    teacher = load_encoder(study.teacher, dimension=study.dimension)
    for name, system in study.systems.items():
        _require_checkpoint(name, system)
        if isinstance(system, Distilled):
            try:
                make_objective(str(system.settings.get("objective", Settings.objective)), teacher)
            except OpticalError as error:
                raise OpticalError(f"systems.{name}: {error}") from error
    tests = {}
    for name, test in study.tests.items():
        tests[name] = (
            _with_teacher(test, data, work, teacher) if test.parallel_questions else _test(test, data)
        )
        tests[name].save(work / f"test-{name}.json")
    bitext: dict[tuple[str, int | str], PreparedBitext] = {}
    asked: dict[str, list[str]] = {}
    for language, declared in study.languages.items():
        asked[language] = [
            text
            for name in study.tests_of(language)
            for side in (tests[name].queries, tests[name].translations)
            for text in side.values()
        ]
        whole = without_near_copies(read_bitext(declared_files(data, declared.bitext)), asked[language])
        if "all" not in study.amounts and all(int(amount) >= len(whole) for amount in study.amounts):
            raise OpticalError(
                f'languages.{language} has {len(whole)} sentence pairs, no more than any of the amounts. Add "all" to '
                "the amounts, or a smaller one."
            )
        for amount in study.amounts:
            if amount == "all":
                bitext[language, amount] = _write(whole, work / bitext_name(language, amount))
            elif int(amount) < len(whole):
                bitext[language, amount] = _write(
                    _part(whole, int(amount)), work / bitext_name(language, amount)
                )
    judged = {
        (name, language): made
        for name, depth in study.judged_depths().items()
        for language, made in prepare_judged_queries(
            study.judged[name], asked, data, judged_folder(work, name), depth
        ).items()
    }
    return Prepared(
        [fingerprint(teacher, "query"), fingerprint(teacher)],
        tests,
        bitext,
        judged,
        {
            name: _folder_digest(Path(system.checkpoint))
            for name, system in study.systems.items()
            if system.checkpoint and Path(system.checkpoint).is_dir()
        },
    )


def _require_checkpoint(name: str, system: SystemKind) -> None:
    """Refuse what can be neither on this machine nor on the Hub, which is not asked."""
    checkpoint = system.checkpoint
    if not checkpoint or checkpoint == TINY_EN or Path(checkpoint).is_dir():
        return
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", checkpoint):
        raise OpticalError(
            f"systems.{name} names {checkpoint!r}, which is no folder here, and no Hub id such as organisation/name. "
            f"{nearest(checkpoint, (*FROM_BITEXT, TINY_EN))} Name folders relative to where the study is run."
        )


def bitext_name(language: str, amount: int | str) -> str:
    """Return the name of the file with the sentence pairs of a language and amount."""
    return f"bitext-{language}-{amount}.tsv"


def _test(test: Test, data: Path) -> PreparedTest:
    passages = declared_file(data, test.passages)
    queries = read_queries(declared_file(data, test.queries))
    judgements = read_judgements(declared_file(data, test.judgements))
    translations = read_queries(declared_file(data, test.translations)) if test.translations else {}
    judged = {query: judgements[query] for query in queries if query in judgements}
    if not judged:
        raise OpticalError(f"{test.judgements} judges none of the questions in {test.queries}.")
    if translations and judged.keys() - translations.keys():
        raise OpticalError(f"{test.translations} lacks questions that {test.queries} has.")
    return _prepared(
        {query: queries[query] for query in judged},
        {query: translations[query] for query in judged} if translations else {},
        judged,
        passages,
    )


def _with_teacher(test: Test, data: Path, work: Path, teacher: MultiVectorEncoder) -> PreparedTest:
    """Take what the teacher ranks first for the English side of a question for its right answer."""
    passages = declared_file(data, test.passages)
    pairs = read_bitext(declared_files(data, test.parallel_questions))
    if test.apart_from:
        others = [read_queries(file).values() for file in declared_files(data, test.apart_from)]
        pairs = without_near_copies(pairs, itertools.chain.from_iterable(others))
    if not len(pairs):
        raise OpticalError(
            f"All parallel questions for {test.language} are near copies of those in {', '.join(test.apart_from)}. "
            "Give other ones."
        )
    distinct = sorted(set(zip(pairs.english, pairs.foreign, strict=True)))
    drawn = random.Random(0).sample(distinct, min(test.sample, len(distinct)))
    # With the language, as the same number in another is another question.
    ids = [f"{test.language}-{number}" for number in range(len(drawn))]
    translations = {query: english for query, (english, _) in zip(ids, drawn, strict=True)}
    best = EncoderSearch(teacher, passages_by_id(str(passages), teacher, work)).rank(translations, 1)
    return _prepared(
        {query: foreign for query, (_, foreign) in zip(ids, drawn, strict=True)},
        translations,
        {query: dict.fromkeys(ranking, 1) for query, ranking in best.items()},
        passages,
    )


def _prepared(
    queries: dict[str, str],
    translations: dict[str, str],
    judgements: dict[str, dict[str, int]],
    passages: Path,
) -> PreparedTest:
    digest = hashlib.blake2b(passages.read_bytes(), digest_size=16)
    digest.update(json.dumps([queries, translations, judgements]).encode())
    return PreparedTest(queries, translations, judgements, str(passages), digest.hexdigest())


def _part(bitext: Bitext, amount: int) -> Bitext:
    """Return ``amount`` pairs: always the same ones, a smaller amount within a larger one, in their order."""

    def draw(place: int) -> bytes:
        pair = f"{bitext.english[place]}\t{bitext.foreign[place]}"
        return hashlib.blake2b(pair.encode(), digest_size=16).digest()

    places = sorted(sorted(range(len(bitext)), key=draw)[:amount])
    english, foreign = ([side[place] for place in places] for side in (bitext.english, bitext.foreign))
    return Bitext(english, foreign, bitext.dropped)


def _write(bitext: Bitext, file: Path) -> PreparedBitext:
    if not len(bitext):
        raise OpticalError(f"No sentence pair is left for {file.stem}. Give more bitext.")
    with replace_file(file) as temporary:
        lines = zip(bitext.english, bitext.foreign, strict=True)
        temporary.write_text(
            "".join(f"{english}\t{foreign}\n" for english, foreign in lines), encoding="utf-8"
        )
    return PreparedBitext(file, bitext.digest(), len(bitext), bitext.dropped)


def _folder_digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(str(file.relative_to(folder)).encode())
        digest.update(hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()
