"""The graft with and without the accents of Latin letters, which BERT's vocabulary does not have.

    python benchmarks/accents.py --data DATA

DATA holds ``bitext/*/en-*.tsv.gz``. For each language both grafts of optical-tiny-en are made of the same sentence
pairs, and find the English sides of held-back pairs among 1,600 sentences. In Yoruba, where many leave accents out,
also those of the questions in ``bitext/questions_afriqa_traindev``, none of which is then in a graft. Nothing is
trained. The result goes to ``benchmarks/results/accents.json``.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder

import compared_rows
from data_folder import data_folder
from optical.encoders import load_encoder, make_student, maxsim_scores, query_transformer
from optical.encoders.students import confused_words
from optical.models import TINY_EN
from shuffled_pairs import Pairs, as_bitext, read

RESULT = Path(__file__).parent / "results" / "accents.json"
LANGUAGES = {
    "vi": "Vietnamese",
    "yo": "Yoruba",
    "ro": "Romanian",
    "tr": "Turkish",
    "es": "Spanish",
    "de": "German",
    "ha": "Hausa",
}
QUESTIONS = "questions_afriqa_traindev"
PAIRS, HELD_BACK, POOL = 4400, 600, 1600
KINDS = ("graft", "accented-graft")


def main() -> None:
    data = data_folder(__doc__) / "bitext"
    teacher = load_encoder(TINY_EN)
    rows = []
    for code, language in LANGUAGES.items():
        pairs = read(sorted(data.glob(f"*/en-{code}.tsv.gz")))
        rows.append(compared(teacher, language, pairs[HELD_BACK:], pairs[:HELD_BACK]))
        if code == "yo":
            questions = read([data / QUESTIONS / "en-yo.tsv.gz"])
            asked = set(questions)
            rest = [pair for pair in pairs if pair not in asked]
            rows.append(compared(teacher, f"{language}, questions", rest, questions[:HELD_BACK]))
    compared_rows.write(
        RESULT,
        "python benchmarks/accents.py --data DATA",
        rows,
        name="language",
        pairs=PAIRS,
        pool=POOL,
    )


def compared(teacher: MultiVectorEncoder, language: str, training: Pairs, held_back: Pairs) -> dict[str, Any]:
    training = training[:PAIRS]
    bitext = as_bitext(training)
    sentences = dict.fromkeys(english for english, _ in [*held_back, *training])
    pool = list(sentences)[:POOL]
    vectors = teacher.encode_query(pool, batch_size=64)
    right = torch.tensor([[pool.index(english)] for english, _ in held_back])
    students = {kind: make_student(kind, teacher, bitext, weighted=False).encoder.eval() for kind in KINDS}
    found = {}
    for kind, student in students.items():
        scores = maxsim_scores(
            student.encode_query([foreign for _, foreign in held_back], batch_size=64), vectors
        )
        found[kind] = (1 / (scores >= scores.gather(1, right)).sum(1)).tolist()
    said = {
        "language": language,
        "held_back": len(held_back),
        "confused": confused_words(query_transformer(students["graft"]).tokenizer, bitext.foreign),
    }
    return compared_rows.row(said, found, "accented-graft", than="graft")


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
