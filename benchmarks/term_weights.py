"""What the weights of a query's tokens bring without training: none, rarity alone, certainty alone, both.

    python benchmarks/term_weights.py --data DATA

DATA holds ``bitext/*/en-*.tsv.gz`` and ``clir/afriqa``. Grafts of optical-tiny-en are made from 4,400 sentence pairs.
On bitext, eight words (in scripts without spaces a third) of sentences of FLORES, none of which is in the graft, find
the English of the whole sentence among 3,000. On AfriQA, questions of the train and dev splits find the passage that
is judged to answer them among 5,362; none of the questions is in the graft. No test question is used: the formula was
chosen by such figures. The result goes to ``benchmarks/results/term-weights.json``.
"""

import logging
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor
from torch.nn.functional import normalize

import compared_rows
from data_folder import data_folder
from held_back_queries import LANGUAGES, PAIRS, HeldBack, questions, sentences
from optical.encoders import load_encoder, make_student, query_transformer
from optical.encoders.initialisation import Initialisation, InitialisationReport
from optical.encoders.term_weights import term_weights
from optical.models import TINY_EN
from shuffled_pairs import as_bitext

RESULT = Path(__file__).parent / "results" / "term-weights.json"


def main() -> None:
    data = data_folder(__doc__)
    teacher = load_encoder(TINY_EN)
    searches = chain(sentences(teacher, data, LANGUAGES), questions(teacher, data))
    rows = [compared(teacher, search) for search in searches]
    compared_rows.write(
        RESULT,
        "python benchmarks/term_weights.py --data DATA",
        rows,
        name="queries of",
        pairs=PAIRS,
    )


def compared(teacher: MultiVectorEncoder, search: HeldBack) -> dict[str, Any]:
    bitext = as_bitext(search.training)
    student = make_student("graft", teacher, bitext).encoder.eval()
    rare = rarity(student, bitext.foreign)
    tokenizer = query_transformer(student).tokenizer
    vectors: dict[str, list[Tensor]] = {"none": [], "rarity": [], "certainty": [], "both": []}
    encoded = student.encode_query(search.queries, batch_size=64)
    for query, weighted in zip(search.queries, encoded, strict=True):
        unit, weight = normalize(weighted), weighted.norm(dim=1, keepdim=True)
        rarities = rare[tokenizer(query)["input_ids"]][:, None]
        vectors["none"].append(unit)
        vectors["rarity"].append(unit * rarities)
        vectors["certainty"].append(unit * weight / rarities)
        vectors["both"].append(weighted)
    found = {weights: search.reciprocal_ranks(each) for weights, each in vectors.items()}
    said = {"queries of": search.name, "queries": len(search.queries)}
    return compared_rows.row(said, found, "both", than="none")


def rarity(student: MultiVectorEncoder, sentences: list[str]) -> Tensor:
    """Return the first factor of the weights alone."""
    tokenizer = query_transformer(student).tokenizer
    tokens = max(tokenizer.get_vocab().values()) + 1
    sure = Initialisation(
        torch.empty(0),
        torch.ones(tokens),
        torch.zeros(tokens, dtype=torch.bool),
        InitialisationReport(0, 0, 0, 0),
    )
    foreign = tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]
    return term_weights(foreign, [[]] * len(foreign), [None] * tokens, sure, tokenizer.all_special_ids)


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
