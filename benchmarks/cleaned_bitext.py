"""Distil Somali students on bitext as it is, damaged in a known way, and cleaned.

    python benchmarks/cleaned_bitext.py --data DATA [--steps 300] [--seeds 0 1 2]

DATA holds bitext/SET/en-so.tsv.gz. No test collection is Somali: the questions of questions_ciral, of which no student
sees a near copy, are translations of English ones, and the measure is the rank of the English of each Somali question
among all English ones. Damage: the foreign side stands one line too low in a block of a fifth of the lines, and another
fifth of the pairs have changed partners. Cleaned is by default, or with pairs dropped that words and lengths call
unlikely, too. Students are kept in runs/cleaned-bitext; one that is there is not made again.
"""

import argparse
import json
import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.util import maxsim

from machine import measured_on
from optical.bitext import Bitext, read_bitext, without_near_copies
from optical.bitext.hygiene import DROPPING, check, rule_named
from optical.bitext.hygiene.rules import Rule
from optical.distillation import distill, graft
from optical.encoders import fingerprint, load_encoder
from optical.evaluation import holm, paired_randomisation
from optical.files import replace_file
from optical.models import TINY_EN

RESULT = Path(__file__).parent / "results" / "cleaned-bitext.json"
WORK = Path("runs") / "cleaned-bitext"
SOURCES = ("flores200_dev", "hornmt", "ntrex128", "tico19")
DAMAGED_SHARE = 0.2
COMPARED = [
    ("cleaned", "raw"),
    ("damaged", "raw"),
    ("damaged, cleaned", "damaged"),
    ("damaged, cleaned, unlikely dropped", "damaged"),
    ("damaged, cleaned, unlikely dropped", "damaged, cleaned"),
    ("damaged, cleaned, unlikely dropped", "raw"),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    teacher = load_encoder(TINY_EN)
    name = fingerprint(teacher)
    work = WORK / f"{name}-{arguments.steps}"
    questions = read_bitext([arguments.data / "bitext" / "questions_ciral" / "en-so.tsv.gz"])
    bitexts = make_bitexts(arguments.data, questions, work)
    english = teacher.encode_query(questions.english)
    rows: dict[str, dict[str, Any]] = {}
    ranks: dict[str, np.ndarray] = {}
    for condition, (file, facts) in bitexts.items():
        if not (work / f"{file.stem}-graft").exists():
            graft(TINY_EN, file, work / f"{file.stem}-graft", weighted=False)
        untrained = reciprocal_ranks(work / f"{file.stem}-graft", questions, english)
        of_seeds = []
        for seed in arguments.seeds:
            student = work / f"{file.stem}-{seed}"
            if not student.exists():
                distill(
                    TINY_EN,
                    file,
                    student,
                    steps=arguments.steps,
                    seed=seed,
                    weighted=False,
                    cache=work / "cache",
                    progress=True,
                )
            of_seeds.append(reciprocal_ranks(student, questions, english))
        ranks[condition] = np.mean(of_seeds, axis=0)
        rows[condition] = facts | {
            "graft": float(untrained.mean()),
            "distilled": [float(each.mean()) for each in of_seeds],
        }
        print(condition, rows[condition], flush=True)
    p_values = {
        f"{one} - {other}": paired_randomisation(ranks[one].tolist(), ranks[other].tolist())
        for one, other in COMPARED
    }
    adjusted = holm(p_values)
    result = {
        "command": f"python benchmarks/cleaned_bitext.py --data DATA --steps {arguments.steps} --seeds "
        + " ".join(map(str, arguments.seeds)),
        "teacher": {"name": TINY_EN, "fingerprint": name},
        "sources": SOURCES,
        "steps": arguments.steps,
        "seeds": arguments.seeds,
        "questions": len(questions),
        "damaged_share": DAMAGED_SHARE,
        "rows": rows,
        "tests": {
            f"{one} - {other}": {
                "difference": float(ranks[one].mean() - ranks[other].mean()),
                "p_value": p_values[f"{one} - {other}"],
                "adjusted_p_value": adjusted[f"{one} - {other}"],
            }
            for one, other in COMPARED
        },
        "measured_on": measured_on("optical", "sentence-transformers", "torch", "numpy"),
    }
    with replace_file(RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def make_bitexts(data: Path, questions: Bitext, work: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Write the bitext of every condition, and return its file and what is to be told of it."""
    raw = without_near_copies(
        read_bitext([data / "bitext" / source / "en-so.tsv.gz" for source in SOURCES]),
        [*questions.english, *questions.foreign],
    )
    work.mkdir(parents=True, exist_ok=True)
    bitexts = {}
    for condition, foreign in (("raw", raw.foreign), ("damaged", damaged(raw.foreign))):
        file = work / f"{condition}.en-so.tsv"
        lines = zip(raw.english, foreign, strict=True)
        file.write_text("".join(f"{one}\t{other}\n" for one, other in lines), encoding="utf-8")
        bitexts[condition] = (file, {"pairs": len(raw)})
        name = "cleaned" if condition == "raw" else f"{condition}, cleaned"
        bitexts[name] = cleaned(file, name, DROPPING)
    rules = [*DROPPING, rule_named("unlikely-translation")]
    bitexts[f"{name}, unlikely dropped"] = cleaned(file, f"{name}, unlikely dropped", rules)
    return bitexts


def cleaned(file: Path, name: str, dropping: Sequence[Rule]) -> tuple[Path, dict[str, Any]]:
    output = file.with_name(f"{name.replace(', ', '-').replace(' ', '-')}.en-so.tsv")
    report = check([file], output, dropping=dropping)
    findings = [
        f"{finding.first_line}-{finding.last_line}: {finding.what}"
        for source in report.sources
        for finding in source.findings
    ]
    return output, {"pairs": report.kept, "dropped": report.dropped, "findings": findings}


def damaged(foreign: Sequence[str]) -> list[str]:
    """Return the foreign sides with a block of them one line too low, and others in each other's places."""
    wrong = list(foreign)
    size = round(DAMAGED_SHARE * len(foreign))
    start = len(foreign) // 3
    # The last of the block takes the place of the first, so that no sentence is lost.
    wrong[start : start + size] = [wrong[start + size - 1], *wrong[start : start + size - 1]]
    others = [row for row in range(len(foreign)) if not start <= row < start + size]
    chosen = random.Random(0).sample(others, size)
    for row, taken in zip(chosen, [*chosen[1:], chosen[0]], strict=True):
        wrong[row] = foreign[taken]
    return wrong


def reciprocal_ranks(student: Path, questions: Bitext, english: Sequence[torch.Tensor]) -> np.ndarray:
    """Return (questions,) one over the rank of the English of each Somali question; of ties the worst."""
    encoder: MultiVectorEncoder = load_encoder(student)
    scores = maxsim(encoder.encode_query(questions.foreign), list(map(torch.as_tensor, english)))
    return np.asarray(1 / (scores >= scores.diagonal()[:, None]).sum(1), dtype=np.float64)


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    main()
