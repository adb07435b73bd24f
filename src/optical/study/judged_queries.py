"""Sets of judged queries: as a study declares them, and what of them its students learn from."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from optical.bitext import words
from optical.bitext.leakage import NearCopies
from optical.collections import (
    Judgements,
    Run,
    open_collection,
    ranked,
    read_judgements,
    read_queries,
    read_run,
    write_run,
)
from optical.errors import OpticalError
from optical.files import create_folder
from optical.study.declared_files import missing, require_relative

QUERIES, PASSAGES, JUDGEMENTS = "queries.jsonl", "corpus.jsonl", "qrels.tsv"
TRANSLATIONS, NEGATIVES = "translations.jsonl", "negatives.run"
"""Files of a prepared set; the last two only where they are declared."""

_STAMP = "stamp.json"
_FORMAT = 1  # of a prepared set, and of how its queries are chosen


@dataclass(frozen=True)
class JudgedSet:
    """Queries of several languages, and which English passages answer them, to train on.

    Attributes:
        queries: file or folder relative to the data folder, as are the others; ``{language}`` in a name stands for the
            code of a language. A language of which it is not there has no students of this set.
        passages: in English.
        judgements: 1 and above is relevant.
        translations: the queries in English, with the same ids.
        negatives: TREC run of hard negatives, of which as many are used as a system looks at.
        sample: how many queries are used, the same ones in each language where the ids are the same. What training
            does not come to would cost the teacher's vectors of its passages all the same.
    """

    queries: str
    passages: str
    judgements: str
    translations: str = ""
    negatives: str = ""
    sample: int = 20_000

    def __post_init__(self) -> None:
        """Refuse an empty sample."""
        if self.sample < 1:
            raise OpticalError(f"sample is {self.sample}. It must be at least 1")

    def file(self, what: str, language: str, data: Path) -> Path:
        """Return the path of one of the files of a language."""
        pattern = str(getattr(self, what)).replace("{language}", language)
        require_relative(pattern)
        return data / pattern

    def is_there(self, language: str, data: Path) -> bool:
        """Say whether there are queries of a language."""
        return self.file("queries", language, data).exists()


@dataclass(frozen=True)
class PreparedSet:
    """The judged queries of a language: digest of all that is learned from, their number, and what was left out."""

    digest: str
    queries: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class _Drawn:
    """What is learned from in a language, apart from the contents of the passages."""

    queries: dict[str, str]
    translations: dict[str, str]
    judgements: Judgements
    negatives: Run
    dropped: dict[str, int]

    def passages(self) -> dict[str, None]:
        """Return the ids of the passages that are judged or ranked, in an order that is always the same."""
        named: list[Mapping[str, float]] = [*self.judgements.values(), *self.negatives.values()]
        return dict.fromkeys(passage for each in named for passage in each)


def prepare_judged_queries(
    declared: JudgedSet, asked: Mapping[str, Iterable[str]], data: Path, folder: Path, depth: int
) -> dict[str, PreparedSet]:
    """Draw the queries of each language and write them, and what belongs to them and nothing else, into ``folder``.

    A language that is there already, made of the same files, is left as it is. A file of passages that languages share
    is read once.

    Args:
        declared: the set.
        asked: texts of test questions by language. Queries that are, or whose English version is, a near copy of one
            are left out. A language without queries is passed over.
        data: folder that the files are relative to.
        folder: where each language gets a folder.
        depth: negatives kept of a query, from the top of its ranking.

    Raises:
        OpticalError: a file is missing or malformed, the files do not belong together, or no query is left.
    """
    made: dict[str, PreparedSet] = {}
    stamps: dict[str, dict[str, Any]] = {}
    drawn: dict[Path, dict[str, _Drawn]] = {}
    read = _Reader()
    for language, texts in asked.items():
        if declared.is_there(language, data):
            files = _files(declared, language, data)
            texts = sorted(texts)
            stamps[language] = _stamp(declared, depth, files, texts)
            there = _made_before(folder / language, stamps[language])
            if there is not None:
                made[language] = there
            else:
                chosen = _choose(files, read, NearCopies(texts), declared.sample, depth)
                drawn.setdefault(files["passages"], {})[language] = chosen
    for passages, by_language in drawn.items():
        contents = _contents(passages, by_language.values())
        for language, chosen in by_language.items():
            made[language] = _write(folder / language, chosen, contents, stamps[language])
    return {language: made[language] for language in stamps}


class _Reader:
    """Reads the files that languages share once, as long as no other comes between."""

    def __init__(self) -> None:
        self.judgements = lru_cache(maxsize=1)(read_judgements)
        self.translations = lru_cache(maxsize=1)(read_queries)
        self.run = lru_cache(maxsize=1)(read_run)


def _files(declared: JudgedSet, language: str, data: Path) -> dict[str, Path]:
    files = {}
    for what in ("queries", "passages", "judgements", "translations", "negatives"):
        if getattr(declared, what):
            files[what] = declared.file(what, language, data)
            if not files[what].exists():
                raise missing(files[what])
    return files


def _stamp(declared: JudgedSet, depth: int, files: Mapping[str, Path], asked: list[str]) -> dict[str, Any]:
    """Return what decides a prepared set, without reading the files."""
    sources = []
    for path in files.values():
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            state = file.stat()
            sources.append([str(file.resolve()), state.st_size, state.st_mtime_ns])
    return {
        "format": _FORMAT,
        "declared": vars(declared),
        "depth": depth,
        "sources": sources,
        "tests": hashlib.blake2b(json.dumps(asked).encode(), digest_size=16).hexdigest(),
    }


def _made_before(folder: Path, stamp: dict[str, Any]) -> PreparedSet | None:
    file = folder / _STAMP
    if not file.exists():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    return PreparedSet(**content["made"]) if content["stamp"] == stamp else None


def _choose(files: Mapping[str, Path], read: _Reader, copies: NearCopies, sample: int, depth: int) -> _Drawn:
    texts = read_queries(files["queries"])
    english = read.translations(files["translations"]) if "translations" in files else {}
    relevant = {
        query: above
        for query, judged in read.judgements(files["judgements"]).items()
        if query in texts and (above := {passage: level for passage, level in judged.items() if level >= 1})
    }
    drawn, copied = _draw(relevant, texts, english, sample, copies)
    if not drawn:
        raise OpticalError(
            f"None of the {len(texts)} queries in {files['queries']} is left: {copied} are near copies of test "
            f"questions, and {files['judgements']} has no relevant passage for the others. Give files that belong "
            "together, or leave the language out."
        )
    negatives: Run = {}
    if "negatives" in files:
        run = read.run(files["negatives"])
        cut = ((query, _cut(run[query], relevant[query], depth)) for query in drawn if query in run)
        negatives = {query: top for query, top in cut if top}
        if not negatives:
            raise OpticalError(
                f"{files['negatives']} has no negative for any of the {len(drawn)} judged queries in "
                f"{files['queries']}. Give the run of these queries, or leave the negatives out."
            )
    return _Drawn(
        {query: texts[query] for query in drawn},
        {query: english[query] for query in drawn if query in english},
        {query: relevant[query] for query in drawn},
        negatives,
        {"near copies of test questions": copied, "beyond the sample": len(relevant) - len(drawn) - copied},
    )


def _cut(scores: Mapping[str, float], relevant: Mapping[str, int], depth: int) -> dict[str, float]:
    """Return the ``depth`` highest-ranked passages that are not relevant."""
    others = {passage: score for passage, score in scores.items() if passage not in relevant}
    ((_, ranking),) = ranked({"": others})
    return {passage: others[passage] for passage in ranking[:depth]}


def _draw(
    judged: Iterable[str],
    texts: Mapping[str, str],
    english: Mapping[str, str],
    sample: int,
    copies: NearCopies,
) -> tuple[list[str], int]:
    """Return up to ``sample`` queries in an order that their ids decide, and how many near copies were passed over."""
    drawn: list[str] = []
    copied = 0
    for query in sorted(judged, key=lambda query: hashlib.blake2b(query.encode()).digest()):
        if len(drawn) == sample:
            break
        if any(words(text) in copies for text in (texts[query], english.get(query, ""))):
            copied += 1
        else:
            drawn.append(query)
    return drawn, copied


def _contents(passages: Path, drawn: Iterable[_Drawn]) -> Mapping[str, str]:
    wanted = dict.fromkeys(passage for each in drawn for passage in each.passages())
    there = open_collection(passages).contents(set(wanted))
    unknown = [passage for passage in wanted if passage not in there]
    if unknown:
        raise OpticalError(
            f"{passages} lacks {len(unknown)} of the judged or ranked passages; the first is {unknown[0]}. Give all "
            "passages."
        )
    return there


def _write(folder: Path, drawn: _Drawn, contents: Mapping[str, str], stamp: Mapping[str, Any]) -> PreparedSet:
    passages = {passage: contents[passage] for passage in drawn.passages()}
    made = PreparedSet(
        _digest(drawn.queries, passages, drawn.judgements, drawn.translations, drawn.negatives),
        len(drawn.queries),
        drawn.dropped,
    )
    shutil.rmtree(folder, ignore_errors=True)
    with create_folder(folder) as temporary:
        for name, texts in (
            (QUERIES, drawn.queries),
            (PASSAGES, passages),
            (TRANSLATIONS, drawn.translations),
        ):
            if texts:
                with (temporary / name).open("w", encoding="utf-8") as file:
                    for key, text in texts.items():
                        file.write(json.dumps({"_id": key, "text": text}, ensure_ascii=False) + "\n")
        with (temporary / JUDGEMENTS).open("w", encoding="utf-8") as file:
            for query, judged in drawn.judgements.items():
                file.writelines(f"{query}\t{passage}\t{level}\n" for passage, level in judged.items())
        if drawn.negatives:
            write_run(temporary / NEGATIVES, drawn.negatives, "negatives")
        content = json.dumps({"stamp": stamp, "made": vars(made)})
        (temporary / _STAMP).write_text(content, encoding="utf-8")
    return made


def _digest(*parts: Mapping[str, Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for record in part.items():
            digest.update(json.dumps(record).encode() + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()
