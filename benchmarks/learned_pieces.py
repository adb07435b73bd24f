"""How often the pieces that a graft adds are to be seen at least: two, three, five or eight times.

    python benchmarks/learned_pieces.py --data DATA

DATA holds ``bitext/*/en-*.tsv.gz`` and ``clir/afriqa``. Grafts of optical-tiny-en are made from 4,400 sentence pairs,
without training. On bitext, eight words (in scripts without spaces a third) of sentences of FLORES, none of which is in
the graft, find the English of the whole sentence among 3,000. On AfriQA, questions of the train and dev splits find
the passage that is judged to answer them among 5,362; none of the questions is in the graft. No test question is used:
the constant was chosen by such figures. The result goes to ``benchmarks/results/learned-pieces.json``.
"""

import logging
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder

import compared_rows
from data_folder import data_folder
from held_back_queries import LANGUAGES, PAIRS, HeldBack, questions, sentences
from optical.encoders import load_encoder, make_student
from optical.encoders.vocabulary import wordpiece
from optical.models import TINY_EN
from shuffled_pairs import as_bitext

RESULT = Path(__file__).parent / "results" / "learned-pieces.json"
MORE_LANGUAGES = {"am": "Amharic", "om": "Oromo", "ta": "Tamil", "te": "Telugu", "zu": "Zulu"}
COUNTS = (2, 3, 5, 8)


def main() -> None:
    data = data_folder(__doc__)
    teacher = load_encoder(TINY_EN)
    searches = chain(sentences(teacher, data, {**LANGUAGES, **MORE_LANGUAGES}), questions(teacher, data))
    rows = [compared(teacher, search) for search in searches]
    compared_rows.write(
        RESULT,
        "python benchmarks/learned_pieces.py --data DATA",
        rows,
        name="queries of",
        pairs=PAIRS,
        shipped=wordpiece.LEAST_PIECE_COUNT,
    )


def compared(teacher: MultiVectorEncoder, search: HeldBack) -> dict[str, Any]:
    bitext = as_bitext(search.training)
    shipped = wordpiece.LEAST_PIECE_COUNT
    found = {}
    for count in COUNTS:
        wordpiece.LEAST_PIECE_COUNT = count
        student = make_student("graft", teacher, bitext).encoder.eval()
        found[times(count)] = search.reciprocal_ranks(student.encode_query(search.queries, batch_size=64))
    wordpiece.LEAST_PIECE_COUNT = shipped
    said = {"queries of": search.name, "queries": len(search.queries)}
    return compared_rows.row(said, found, times(shipped), than=times(COUNTS[0]))


def times(count: int) -> str:
    return f"{count} times"


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
