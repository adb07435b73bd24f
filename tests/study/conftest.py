"""A study of the toy language, with every kind of system, small enough to run in a test."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.study import read_study
from optical.study.cells import Cell, cells_of, identity
from optical.study.preparation import prepare

from ..distillation.toy import make_pairs

QUESTIONS = 20
PAIRS = 300
STUDY = """
title = "Toy study"
teacher = "TEACHER"
seeds = [0, 1]
amounts = [200, "all"]
ceiling = "ceiling"
comparisons = [["optical", "zero-shot"]]

[distillation]
steps = 4
batch_size = 16
held_back = 40
evaluations = 1

[languages.toy]
bitext = ["bitext*.tsv"]

[tests.toy]
language = "toy"
passages = "passages.tsv"
queries = "queries.tsv"
judgements = "qrels.tsv"
translations = "translations.tsv"

[systems]
"""


@dataclass(frozen=True)
class Toy:
    """Where a study of the toy language lies."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "study.toml"

    @property
    def output(self) -> Path:
        return self.folder / "results"

    def declare(self, systems: str, **replaced: str) -> None:
        """Write the configuration with these lines of systems, and other pieces of text in place of its own."""
        text = STUDY.replace("TEACHER", str(self.folder / "teacher")) + systems
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text, encoding="utf-8")

    def cell(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.output / "cells" / f"{name}.json").read_text("utf-8"))
        return content

    def identities(self) -> dict[Cell, dict[str, str]]:
        """Prepare the study and return what identifies its cells."""
        study = read_study(self.config)
        prepared = prepare(study, self.folder, self.output / "work")
        return {cell: identity(cell, study, prepared) for cell in cells_of(study, prepared)}

    def cells(self) -> list[str]:
        return sorted(file.stem for file in (self.output / "cells").glob("*.json"))


def make_toy(folder: Path, teacher: MultiVectorEncoder) -> Toy:
    """Write teacher, bitext and a test whose questions are also in the bitext, which is not to stay so."""
    teacher.save_pretrained(str(folder / "teacher"))
    pairs = make_pairs(PAIRS)
    questions = pairs[:QUESTIONS]

    def write(name: str, lines: list[str]) -> None:
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    write("bitext.tsv", [f"{english}\t{foreign}" for english, foreign in pairs])
    write("passages.tsv", [f"p{place}\t{english}" for place, (english, _) in enumerate(pairs[:60])])
    write("queries.tsv", [f"q{place}\t{foreign}" for place, (_, foreign) in enumerate(questions)])
    write("translations.tsv", [f"q{place}\t{english}" for place, (english, _) in enumerate(questions)])
    write("qrels.tsv", [f"q{place}\tp{place}\t1" for place in range(QUESTIONS)] + ["q999\tp1\t1"])
    return Toy(folder)


@pytest.fixture
def toy(tmp_path: Path, tiny_teacher: MultiVectorEncoder) -> Toy:
    return make_toy(tmp_path, tiny_teacher)
