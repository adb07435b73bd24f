"""Whether weights of query tokens help, by whose answers count: people's, or what the teacher ranks first.

    python benchmarks/teacher_answers.py --data DATA

DATA holds ``bitext/*/en-*.tsv.gz`` and ``clir/afriqa``. Grafts of optical-tiny-en are made from 4,400 sentence pairs,
with none of the questions: those of AfriQA's train and dev splits, among 5,362 passages. The right passage is the one
that people judged to answer; or the one that the teacher, whose tokens count alike, ranks first for the English
question; or that among the passages without the judged ones, where nothing answers the question, as is so for
development questions of a study that come without judgements. The result goes to
``benchmarks/results/teacher-answers.json``.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch.nn.functional import normalize

import compared_rows
from data_folder import data_folder
from held_back_queries import PAIRS, HeldBack, questions
from optical.encoders import load_encoder, make_student, maxsim_scores
from optical.models import TINY_EN
from shuffled_pairs import as_bitext

RESULT = Path(__file__).parent / "results" / "teacher-answers.json"


def main() -> None:
    data = data_folder(__doc__)
    teacher = load_encoder(TINY_EN)
    rows = [row for search in questions(teacher, data) for row in compared(teacher, search)]
    compared_rows.write(
        RESULT,
        "python benchmarks/teacher_answers.py --data DATA",
        rows,
        name="answers",
        pairs=PAIRS,
    )


def compared(teacher: MultiVectorEncoder, search: HeldBack) -> Iterator[dict[str, Any]]:
    student = make_student("graft", teacher, as_bitext(search.training)).encoder.eval()
    weighted = student.encode_query(search.queries, batch_size=64)
    unweighted = [normalize(query) for query in weighted]
    scores = maxsim_scores(teacher.encode_query(search.english, batch_size=64), list(search.passages))
    judged = set(search.right)
    others = [place for place in range(len(search.passages)) if place not in judged]
    searches = {
        "people": search,
        "the teacher": replace(search, right=scores.argmax(1).tolist()),
        "the teacher, where nothing answers": replace(
            search,
            passages=[search.passages[place] for place in others],
            right=scores[:, others].argmax(1).tolist(),
        ),
    }
    for answers, each in searches.items():
        found = {
            "unweighted": each.reciprocal_ranks(unweighted),
            "weighted": each.reciprocal_ranks(weighted),
        }
        said = {"answers": f"{search.name}: {answers}", "queries": len(search.queries)}
        yield compared_rows.row(said, found, "weighted", than="unweighted")


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
