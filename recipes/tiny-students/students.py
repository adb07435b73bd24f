"""Distil students of optical-tiny-en for nine languages, and measure them.

    python recipes/tiny-students/students.py --data DATA --output tiny-students [--languages sw th]

DATA holds ``bitext/``, ``clir/afriqa`` and ``clir/xquad``. Only bitext whose licence lets weights be passed on is
read; pairs that are near copies of a test question are left out. Every student is kept in a folder of OUTPUT that is
named by teacher, objective and steps, and one that is there is not made again. The figures go to
``benchmarks/results/tiny-students.json``.
"""

import argparse
import json
import sys
from pathlib import Path

from optical.bitext import read_bitext, without_near_copies
from optical.collections import Judgements, read_judgements, read_passages, read_queries
from optical.distillation import Settings, distill, graft
from optical.encoders import fingerprint, load_encoder, query_modules, read_provenance
from optical.evaluation import evaluate, rank
from optical.files import replace_file
from optical.index import Index
from optical.models import TINY_EN

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "tiny-students.json"
LANGUAGES = ("sw", "ha", "yo", "so", "am", "tl", "mr", "hi", "th")
AFRIQA, XQUAD = ("sw", "ha", "yo"), ("hi", "th")
SOURCES = (
    "bible_ebible_pd",
    "flores200_dev",
    "hornmt",
    "joshua_indian_devtest",
    "ntrex128",
    "questions_afriqa_traindev",
    "questions_ciral",
    "tatoeba_manythings",
    "tatoeba_opusmt",
    "tico19",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=LANGUAGES)
    arguments = parser.parse_args()
    teacher = fingerprint(load_encoder(TINY_EN))
    objective = Settings.objective
    output = arguments.output / f"{teacher}-{objective.replace(' ', '')}-{arguments.steps}"
    output.mkdir(parents=True, exist_ok=True)
    rows = {}
    for language in arguments.languages:
        rows[language] = measure(language, arguments.data, output, arguments.steps)
        print(language, json.dumps(rows[language]), flush=True)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from machine import measured_on

    result = {
        "command": f"python recipes/tiny-students/students.py --data DATA --output tiny-students "
        f"--steps {arguments.steps}",
        "teacher": teacher,
        "objective": objective,
        "steps": arguments.steps,
        "languages": rows,
        "machine": measured_on("optical", "sentence-transformers", "torch"),
    }
    with replace_file(RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(language: str, data: Path, output: Path, steps: int) -> dict[str, object]:
    bed = test_bed(language, data)
    files = [
        file for source in SOURCES if (file := data / "bitext" / source / f"en-{language}.tsv.gz").exists()
    ]
    pairs = read_bitext(files)
    if bed is not None:
        _, queries, english, _ = bed
        pairs = without_near_copies(pairs, [*queries.values(), *english.values()])
    bitext = output / f"en-{language}.tsv"
    lines = zip(pairs.english, pairs.foreign, strict=True)
    bitext.write_text("".join(f"{english}\t{foreign}\n" for english, foreign in lines), encoding="utf-8")
    student = output / f"{language}-encoder"
    if not student.exists():
        distill(TINY_EN, bitext, student, steps=steps, weighted=False, progress=True)
    provenance = read_provenance(student)
    row: dict[str, object] = {
        "pairs": len(pairs),
        "sources": [file.parent.name for file in files],
        **{
            figure: {
                "graft": provenance["development_before"][figure],
                "distilled": provenance["development_after"][figure],
            }
            for figure in ("teacher_overlap", "translation_mrr")
        },
        "seconds": provenance["seconds"],
        "megabytes_in_half_precision": 2
        * sum(w.numel() for module in query_modules(load_encoder(student)) for w in module.parameters())
        / 1e6,
    }
    if bed is not None:
        passages, queries, english, judgements = bed
        untrained = output / f"{language}-graft"
        if not untrained.exists():
            graft(TINY_EN, bitext, untrained, weighted=False)
        teacher = load_encoder(TINY_EN)
        folder = output / f"index-{passages.parent.name}"
        if not Index.exists(folder):
            Index.create(folder, teacher, read_passages(passages), progress=True).close()
        with Index.open(folder) as index:
            row["test"] = {
                "collection": passages.parent.name,
                "questions": len(queries),
                "figures": {
                    name: evaluate(rank(index, asked, encoder), judgements)
                    for name, encoder, asked in (
                        ("teacher as it is", teacher, queries),
                        ("graft", load_encoder(untrained), queries),
                        ("distilled", load_encoder(student), queries),
                        ("ceiling", teacher, english),
                    )
                },
            }
    return row


def test_bed(language: str, data: Path) -> tuple[Path, dict[str, str], dict[str, str], Judgements] | None:
    """Return passages, questions, the same in English, and judgements; None where there is no test."""
    if language in AFRIQA:
        folder = data / "clir" / "afriqa"
        return (
            folder / "passages.en.tsv.gz",
            read_queries(folder / f"queries.{language}.test.tsv.gz"),
            read_queries(folder / f"queries_en.{language}.test.tsv.gz"),
            read_judgements(folder / f"qrels.{language}.test.tsv.gz"),
        )
    if language in XQUAD:
        folder = data / "clir" / "xquad"
        return (
            folder / "passages.en.tsv.gz",
            read_queries(folder / f"queries.{language}.tsv.gz"),
            read_queries(folder / "queries.en.tsv.gz"),
            read_judgements(folder / "qrels.tsv.gz"),
        )
    return None


if __name__ == "__main__":
    main()
