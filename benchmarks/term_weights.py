"""What the weights of a query's tokens bring without training: none, rarity alone, certainty alone, both.

    python benchmarks/term_weights.py --data DATA

DATA holds ``bitext/*/en-*.tsv.gz`` and ``clir/afriqa``. Grafts of optical-tiny-en are made from 4,400 sentence pairs.
On bitext, eight words (in scripts without spaces a third) of sentences of FLORES, none of which is in the graft, find
the English of the whole sentence among 3,000. On AfriQA, questions of the train and dev splits find the passage that
is judged to answer them among 5,362; none of the questions is in the graft. No test question is used: the formula was
chosen by such figures. The result goes to ``benchmarks/results/term-weights.json``.
"""

import argparse
import json
import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor
from torch.nn.functional import normalize

from machine import measured_on
from optical.collections import read_judgements, read_passages, read_queries
from optical.encoders import load_encoder, make_student, maxsim_scores, query_transformer
from optical.encoders.initialisation import Initialisation, InitialisationReport
from optical.encoders.term_weights import term_weights
from optical.evaluation import holm, paired_randomisation
from optical.models import TINY_EN
from shuffled_pairs import Pairs, as_bitext, read

RESULT = Path(__file__).parent / "results" / "term-weights.json"
LANGUAGES = {
    "ar": "Arabic",
    "zh": "Chinese",
    "de": "German",
    "el": "Greek",
    "hi": "Hindi",
    "ro": "Romanian",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "vi": "Vietnamese",
}
WITHOUT_SPACES = ("th", "zh")
QUESTIONS = {"ha": ("Hausa", ("train", "dev")), "yo": ("Yoruba", ("train",))}
PAIRS, HELD_BACK, POOL, WORDS, DEPTH = 4400, 500, 3000, 8, 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_args().data
    teacher = load_encoder(TINY_EN)
    rows = [on_bitext(teacher, code, name, data / "bitext") for code, name in LANGUAGES.items()]
    rows += on_questions(teacher, data)
    adjusted = holm({row["queries of"]: row["p"] for row in rows})
    result = {
        "command": "python benchmarks/term_weights.py --data DATA",
        "pairs": PAIRS,
        "rows": [{**row, "p": adjusted[row["queries of"]]} for row in rows],
        **measured_on("optical", "sentence-transformers", "transformers", "tokenizers", "torch", "numpy"),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def on_bitext(teacher: MultiVectorEncoder, code: str, name: str, bitext: Path) -> dict[str, Any]:
    held_back = read([bitext / "flores200_dev" / f"en-{code}.tsv.gz"])[:HELD_BACK]
    known = {english for english, _ in held_back}
    rest = [pair for pair in read(sorted(bitext.glob(f"*/en-{code}.tsv.gz"))) if pair[0] not in known]
    draw = random.Random(1)
    queries = [part(foreign, code, draw) for _, foreign in held_back]
    # Long ones, as they are: short sentences would be no rivals.
    others = [english for english, _ in rest if len(english) > 60]
    pool = list(dict.fromkeys([*(english for english, _ in held_back), *others]))[:POOL]
    right = [pool.index(english) for english, _ in held_back]
    return compared(teacher, name, rest[:PAIRS], queries, teacher.encode_document(pool, batch_size=64), right)


def part(sentence: str, code: str, draw: random.Random) -> str:
    words = list(sentence) if code in WITHOUT_SPACES else sentence.split()
    length = max(WORDS, len(words) // 3) if code in WITHOUT_SPACES else WORDS
    start = draw.randrange(max(1, len(words) - length + 1))
    return ("" if code in WITHOUT_SPACES else " ").join(words[start : start + length])


def on_questions(teacher: MultiVectorEncoder, data: Path) -> list[dict[str, Any]]:
    afriqa = data / "clir" / "afriqa"
    passages = list(read_passages(afriqa / "passages.en.tsv.gz"))
    places = {passage.id: place for place, passage in enumerate(passages)}
    vectors = teacher.encode_document([passage.content for passage in passages], batch_size=64)
    rows = []
    for code, (name, splits) in QUESTIONS.items():
        queries: list[str] = []
        right: list[int] = []
        asked: set[str] = set()
        for split in splits:
            judged = read_judgements(afriqa / f"qrels.{code}.{split}.tsv.gz")
            questions = read_queries(afriqa / f"queries.{code}.{split}.tsv.gz")
            asked |= {
                *questions.values(),
                *read_queries(afriqa / f"queries_en.{code}.{split}.tsv.gz").values(),
            }
            for question, relevant in judged.items():
                queries.append(questions[question])
                right.append(places[next(iter(relevant))])
        pairs = read(sorted((data / "bitext").glob(f"*/en-{code}.tsv.gz")))
        rest = [pair for pair in pairs if not asked & set(pair)]
        rows.append(compared(teacher, f"{name}, questions", rest[:PAIRS], queries, vectors, right))
    return rows


def compared(
    teacher: MultiVectorEncoder,
    name: str,
    training: Pairs,
    queries: list[str],
    passages: list[Tensor],
    right: Sequence[int],
) -> dict[str, Any]:
    bitext = as_bitext(training)
    student = make_student("graft", teacher, bitext).encoder.eval()
    rare = rarity(student, bitext.foreign)
    tokenizer = query_transformer(student).tokenizer
    vectors = {"none": [], "rarity": [], "certainty": [], "both": []}
    for query, weighted in zip(queries, student.encode_query(queries, batch_size=64), strict=True):
        unit, weight = normalize(weighted), weighted.norm(dim=1, keepdim=True)
        rarities = rare[tokenizer(query)["input_ids"]][:, None]
        vectors["none"].append(unit)
        vectors["rarity"].append(unit * rarities)
        vectors["certainty"].append(unit * weight / rarities)
        vectors["both"].append(weighted)
    found = {
        weights: reciprocal_ranks(maxsim_scores(each, passages), right) for weights, each in vectors.items()
    }
    row = {
        "queries of": name,
        "queries": len(queries),
        **{weights: sum(ranks) / len(ranks) for weights, ranks in found.items()},
        "p": paired_randomisation(found["both"], found["none"]),
    }
    print(row, flush=True)
    return row


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


def reciprocal_ranks(scores: Tensor, right: Sequence[int]) -> list[float]:
    own = scores.gather(1, torch.tensor(right)[:, None])
    ranks = (scores >= own).sum(1)
    return torch.where(ranks <= DEPTH, 1 / ranks, 0.0).tolist()


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
