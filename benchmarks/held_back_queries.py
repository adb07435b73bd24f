"""Searches that benchmarks choose constants by: a graft's training pairs, and queries of which none is in them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.collections import read_judgements, read_passages, read_queries
from optical.encoders import maxsim_scores
from shuffled_pairs import Pairs, read

PAIRS, POOL = 4400, 3000
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
"""Languages of FLORES that each of these benchmarks measures, by code."""

_WITHOUT_SPACES = ("th", "zh")
_QUESTIONS = {"ha": ("Hausa", ("train", "dev")), "yo": ("Yoruba", ("train",))}
_HELD_BACK, _WORDS, _DEPTH = 500, 8, 10


@dataclass(frozen=True)
class HeldBack:
    """What a graft is made of, and what it is to find.

    Attributes:
        name: language, and "questions" where the queries are.
        training: ``PAIRS`` sentence pairs.
        queries: in the language.
        english: their translations; for parts of sentences, those of the whole.
        passages: vectors of the teacher.
        right: for each query the place of its passage.
    """

    name: str
    training: Pairs
    queries: list[str]
    english: list[str]
    passages: Sequence[Tensor]
    right: Sequence[int]

    def reciprocal_ranks(self, queries: Sequence[Tensor]) -> list[float]:
        """Return 1 / rank of each query's passage by MaxSim, 0 beyond rank 10."""
        scores = maxsim_scores(list(queries), list(self.passages))
        own = scores.gather(1, torch.tensor(self.right)[:, None])
        ranks = (scores >= own).sum(1)
        return torch.where(ranks <= _DEPTH, 1 / ranks, 0.0).tolist()


def sentences(teacher: MultiVectorEncoder, data: Path, languages: dict[str, str]) -> Iterator[HeldBack]:
    """Eight words (in scripts without spaces a third) of sentences of FLORES find the English of the whole."""
    bitext = data / "bitext"
    for code, name in languages.items():
        held_back = read([bitext / "flores200_dev" / f"en-{code}.tsv.gz"])[:_HELD_BACK]
        known = {english for english, _ in held_back}
        rest = [pair for pair in read(sorted(bitext.glob(f"*/en-{code}.tsv.gz"))) if pair[0] not in known]
        draw = random.Random(1)
        queries = [_part(foreign, code, draw) for _, foreign in held_back]
        # Long ones, as they are: short sentences would be no rivals.
        others = [english for english, _ in rest if len(english) > 60]
        pool = list(dict.fromkeys([*(english for english, _ in held_back), *others]))[:POOL]
        whole = [english for english, _ in held_back]
        right = [pool.index(english) for english in whole]
        vectors = teacher.encode_document(pool, batch_size=64)
        yield HeldBack(name, rest[:PAIRS], queries, whole, vectors, right)


def questions(teacher: MultiVectorEncoder, data: Path) -> Iterator[HeldBack]:
    """Questions of AfriQA's train and dev splits find the passage that is judged to answer them."""
    afriqa = data / "clir" / "afriqa"
    passages = list(read_passages(afriqa / "passages.en.tsv.gz"))
    places = {passage.id: place for place, passage in enumerate(passages)}
    vectors = teacher.encode_document([passage.content for passage in passages], batch_size=64)
    for code, (name, splits) in _QUESTIONS.items():
        queries: list[str] = []
        translations: list[str] = []
        right: list[int] = []
        asked: set[str] = set()
        for split in splits:
            judged = read_judgements(afriqa / f"qrels.{code}.{split}.tsv.gz")
            foreign = read_queries(afriqa / f"queries.{code}.{split}.tsv.gz")
            english = read_queries(afriqa / f"queries_en.{code}.{split}.tsv.gz")
            asked |= {*foreign.values(), *english.values()}
            for question, relevant in judged.items():
                queries.append(foreign[question])
                translations.append(english[question])
                right.append(places[next(iter(relevant))])
        pairs = read(sorted((data / "bitext").glob(f"*/en-{code}.tsv.gz")))
        rest = [pair for pair in pairs if not asked & set(pair)]
        yield HeldBack(f"{name}, questions", rest[:PAIRS], queries, translations, vectors, right)


def _part(sentence: str, code: str, draw: random.Random) -> str:
    words = list(sentence) if code in _WITHOUT_SPACES else sentence.split()
    length = max(_WORDS, len(words) // 3) if code in _WITHOUT_SPACES else _WORDS
    start = draw.randrange(max(1, len(words) - length + 1))
    return ("" if code in _WITHOUT_SPACES else " ").join(words[start : start + length])
