"""Sets of judged queries: as a study declares them, and what of them its students learn from."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from optical.bitext import words
from optical.bitext.leakage import NearCopies
from optical.collections import (
    Judgements,
    Run,
    open_collection,
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


@dataclass(frozen=True)
class JudgedSet:
    """Queries of several languages, and which English passages answer them, to train on.

    Attributes:
        queries: file or folder relative to the data folder, as are the others; ``{language}`` in a name stands for the
            code of a language. A language of which it is not there has no students of this set.
        passages: in English.
        judgements: 1 and above is relevant.
        translations: the queries in English, with the same ids.
        negatives: TREC run of hard negatives.
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


def prepare_judged_queries(
    declared: JudgedSet, language: str, data: Path, folder: Path, copies: NearCopies
) -> PreparedSet:
    """Draw the queries of a language and write them, and what belongs to them and nothing else, into ``folder``.

    Left out are queries that are, or whose English version is, one of ``copies``.

    Raises:
        OpticalError: a file is missing or malformed, the files do not belong together, or no query is left.
    """
    files = {}
    for what in ("queries", "passages", "judgements", "translations", "negatives"):
        if getattr(declared, what):
            files[what] = declared.file(what, language, data)
            if not files[what].exists():
                raise missing(files[what])
    texts = read_queries(files["queries"])
    english = read_queries(files["translations"]) if declared.translations else {}
    relevant = {
        query: above
        for query, judged in read_judgements(files["judgements"]).items()
        if query in texts and (above := {passage: level for passage, level in judged.items() if level >= 1})
    }
    drawn, copied = _draw(relevant, texts, english, declared.sample, copies)
    if not drawn:
        raise OpticalError(
            f"None of the {len(texts)} queries in {files['queries']} is left: {copied} are near copies of test "
            f"questions, and {files['judgements']} has no relevant passage for the others. Give files that belong "
            "together, or leave the language out."
        )
    judgements = {query: relevant[query] for query in drawn}
    ranked = read_run(files["negatives"]) if declared.negatives else {}
    negatives = {query: ranked[query] for query in drawn if query in ranked}
    contents = _contents(files["passages"], [*judgements.values(), *negatives.values()])
    queries = {query: texts[query] for query in drawn}
    translations = {query: english[query] for query in drawn if query in english}
    _write(folder, queries, contents, judgements, translations, negatives)
    content = json.dumps([queries, contents, judgements, translations, negatives])
    return PreparedSet(
        hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
        len(drawn),
        {"near copies of test questions": copied, "beyond the sample": len(relevant) - len(drawn) - copied},
    )


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


def _contents(passages: Path, named: Iterable[Iterable[str]]) -> dict[str, str]:
    wanted = dict.fromkeys(passage for each in named for passage in each)
    there = open_collection(passages).contents(set(wanted))
    unknown = [passage for passage in wanted if passage not in there]
    if unknown:
        raise OpticalError(
            f"{passages} lacks {len(unknown)} of the judged or ranked passages; the first is {unknown[0]}. Give all "
            "passages."
        )
    return {passage: there[passage] for passage in wanted}


def _write(
    folder: Path,
    queries: Mapping[str, str],
    passages: Mapping[str, str],
    judgements: Judgements,
    translations: Mapping[str, str],
    negatives: Run,
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with create_folder(folder) as temporary:
        for name, texts in ((QUERIES, queries), (PASSAGES, passages), (TRANSLATIONS, translations)):
            if texts:
                records = ({"_id": key, "text": text} for key, text in texts.items())
                lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
                (temporary / name).write_text(lines, encoding="utf-8")
        judged = ((query, *judgement) for query, each in judgements.items() for judgement in each.items())
        lines = "".join(f"{query}\t{passage}\t{level}\n" for query, passage, level in judged)
        (temporary / JUDGEMENTS).write_text(lines, encoding="utf-8")
        if negatives:
            write_run(temporary / NEGATIVES, negatives, "negatives")
