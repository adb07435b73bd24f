"""A small collection of the toy language: foreign queries, English passages, judgements, a run and translations."""

from dataclasses import dataclass
from pathlib import Path

from ..distillation.toy import make_pairs, write_bitext

QUERIES = 150


@dataclass(frozen=True)
class Collection:
    """Files of queries q0, q1, ... of which qN is answered by the passage pN."""

    folder: Path
    queries: Path
    passages: Path
    judgements: Path
    negatives: Path
    translations: Path
    bitext: Path

    @property
    def needed(self) -> tuple[Path, Path, Path]:
        return self.queries, self.passages, self.judgements


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_collection(folder: Path) -> Collection:
    """Write it; the run ranks, beside the right passage, three that share words with it."""
    pairs = make_pairs(QUERIES, seed=5)
    run = []
    for number, (english, _) in enumerate(pairs):
        words = set(english.split())
        others = sorted(range(QUERIES), key=lambda other: -len(words & set(pairs[other][0].split())))[:4]
        near = [number, *(other for other in others if other != number)]
        run += [
            f"q{number} Q0 p{passage} {rank} {10 - rank} toy" for rank, passage in enumerate(near, start=1)
        ]
    return Collection(
        folder=folder,
        queries=write_lines(
            folder / "queries.tsv", *(f"q{n}\t{foreign}" for n, (_, foreign) in enumerate(pairs))
        ),
        passages=write_lines(
            folder / "passages.tsv",
            *(f"p{n}\t{english}" for n, (english, _) in enumerate(pairs)),
            "unused\tnobody asks for this passage",
        ),
        judgements=write_lines(folder / "qrels.tsv", *(f"q{n}\tp{n}\t1" for n in range(QUERIES))),
        negatives=write_lines(folder / "run.trec", *run),
        translations=write_lines(
            folder / "english.tsv", *(f"q{n}\t{english}" for n, (english, _) in enumerate(pairs))
        ),
        bitext=write_bitext(folder / "toy.tsv", 60),
    )
