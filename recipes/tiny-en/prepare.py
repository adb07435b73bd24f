"""Lay out the training data of optical-tiny-en: plain text, and judged questions with their passages.

Only sets whose licence lets weights be passed on are read; see README.md. Every tenth article of the judged questions
is held back: settings are chosen on it, and nothing is trained on it. Texts that are near copies of its questions, or
of a test question (XQuAD, the SQuAD development set, AfriQA), are left out.

    python recipes/tiny-en/prepare.py --data DATA --output tiny-en-data
"""

import argparse
import gzip
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from optical.bitext import words
from optical.bitext.leakage import NearCopies

ENGLISH = ("squad_v1.1_train_subset", "reqa_squad_train10k", "medquad")
BITEXT = {
    "flores200_dev": 1_000,
    "ntrex128": 2_000,
    "tico19": 4_000,
    "hornmt": 4_000,
    "joshua_indian_devtest": 40_000,
    "tatoeba_opusmt": 50_000,
    "tatoeba_manythings": 50_000,
    "bible_ebible_pd": 2_500,
    "questions_ciral": 2_000,
    "questions_afriqa_traindev": 3_000,
}
MEDICAL_WORDS = 700_000
MEDICAL_QUESTIONS = 6_000
PART_WORDS = 90


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with english/, bitext/ and clir/")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True)
    generator = random.Random(0)
    english = arguments.data / "english"

    squad = english / ENGLISH[0]
    passages = {name: (title, text) for name, title, text in rows(squad / "passages.tsv.gz")}
    questions = dict(rows(squad / "queries.tsv.gz"))
    answers = [(query, passage) for query, passage, _ in rows(squad / "qrels.tsv.gz")]
    held_back = set(sorted({title for title, _ in passages.values()})[9::10])
    for name, part in (
        ("train", [pair for pair in answers if passages[pair[1]][0] not in held_back]),
        ("held-back", [pair for pair in answers if passages[pair[1]][0] in held_back]),
    ):
        write(arguments.output / f"queries.{name}.tsv", (f"{query}\t{questions[query]}" for query, _ in part))
        write(arguments.output / f"qrels.{name}.tsv", (f"{query}\t{passage}\t1" for query, passage in part))
    write(
        arguments.output / "passages.tsv",
        (f"{name}\t{title}\t{text}" for name, (title, text) in passages.items()),
    )
    hidden = " ".join(text for title, text in passages.values() if title in held_back)

    texts = [f"{title} {text}" for title, text in passages.values() if title not in held_back]
    texts += [questions[query] for query, passage in answers if passages[passage][0] not in held_back]
    texts += [row[-1] for row in rows(english / ENGLISH[1] / "passages.tsv.gz") if row[-1][:60] not in hidden]
    texts += [row[1] for row in rows(english / ENGLISH[1] / "queries.tsv.gz")]
    medical = [
        part for row in rows(english / ENGLISH[2] / "passages.tsv.gz") for part in parts(" ".join(row[1:]))
    ]
    generator.shuffle(medical)
    taken = 0
    for part in medical:
        if taken < MEDICAL_WORDS:
            taken += len(part.split())
            texts.append(part)
    texts += [row[1] for row in rows(english / ENGLISH[2] / "queries.tsv.gz")][:MEDICAL_QUESTIONS]
    for name, most in BITEXT.items():
        files = sorted((arguments.data / "bitext" / name).glob("*.tsv.gz"))
        sentences = sorted({row[0] for file in files for row in rows(file)})
        texts += generator.sample(sentences, min(most, len(sentences)))
    texts = [" ".join(text.split()) for text in dict.fromkeys(texts) if text.strip()]
    asked = [questions[query] for query, passage in answers if passages[passage][0] in held_back]
    copies = NearCopies([*asked, *test_questions(arguments.data)])
    kept = [text for text in texts if words(text) not in copies]
    generator.shuffle(kept)
    write(arguments.output / "texts.txt", kept)
    print(
        f"{len(kept)} texts, {sum(len(text.split()) for text in kept)} words; "
        f"{len(texts) - len(kept)} near copies of questions left out"
    )


def test_questions(data: Path) -> Iterator[str]:
    """Yield the questions that the encoder will be measured with."""
    for file in (
        "clir/xquad/queries.en.tsv.gz",
        "english/squad_v1.1_dev/queries.tsv.gz",
        *(f"clir/afriqa/queries_en.{language}.test.tsv.gz" for language in ("sw", "ha", "yo")),
    ):
        yield from (row[1] for row in rows(data / file))


def rows(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\n").split("\t")


def parts(text: str) -> Iterator[str]:
    """Yield parts of whole sentences of about PART_WORDS words."""
    part: list[str] = []
    for sentence in text.replace("? ", "?\n").replace(". ", ".\n").split("\n"):
        if part and len(part) + len(sentence.split()) > PART_WORDS:
            yield " ".join(part)
            part = []
        part += sentence.split()
    yield " ".join(part)


def write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
