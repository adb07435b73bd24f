"""Where a cell is made: its bitext, the tests of its language, the teacher, and the folder for work in progress."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.bitext import Bitext, read_bitext
from optical.collections import Judgements, Passage, Run, read_passages, read_run
from optical.encoders import load_encoder
from optical.supervision import passage_vectors


@dataclass(frozen=True)
class PreparedTest:
    """A test with everything in it that decides figures.

    Attributes:
        queries: id -> question.
        translations: id -> the question in English; empty if there are none.
        judgements: of these queries and no others.
        passages: file.
        digest: names all of this.
    """

    queries: dict[str, str]
    translations: dict[str, str]
    judgements: Judgements
    passages: str
    digest: str

    def save(self, file: Path) -> None:
        """Write to a JSON file."""
        file.write_text(json.dumps(vars(self)), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "PreparedTest":
        """Read what :meth:`save` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


class Workplace:
    """What a system of one cell is made of.

    Args:
        teacher_name: Hub id or folder.
        dimension: of the projection of a teacher that is no late-interaction checkpoint.
        language: code.
        cell: its name.
        code: names the state of the code, so that nothing is taken over from another.
        seed: of everything random; 0 for a system that has nothing random.
        bitext_file: TSV of the sentence pairs of this language and amount.
        tests: by name.
        work: folder for what cells share and what they have not finished.
        runs: files of the runs of the same language, amount and seed, by system and test.
    """

    def __init__(
        self,
        *,
        teacher_name: str,
        dimension: int,
        language: str,
        cell: str,
        code: str,
        seed: int,
        bitext_file: Path,
        tests: dict[str, PreparedTest],
        work: Path,
        runs: dict[tuple[str, str], Path],
    ) -> None:
        self.teacher_name = teacher_name
        self.dimension = dimension
        self.language = language
        self.cell = cell
        self.code = code[:8]
        self.seed = seed
        self.bitext_file = bitext_file
        self.work = work
        self._tests = tests
        self._runs = runs

    @cached_property
    def teacher(self) -> MultiVectorEncoder:
        """The frozen English encoder."""
        return load_encoder(self.teacher_name, dimension=self.dimension)

    @cached_property
    def bitext(self) -> Bitext:
        """The sentence pairs."""
        return read_bitext([self.bitext_file])

    def judged_queries(self, name: str) -> Path:
        """Return the folder with the judged queries of a set in this language."""
        return judged_folder(self.work, name) / self.language

    def passages(self, test: str) -> Sequence[Passage]:
        """Return the passages of a test."""
        return list(read_passages(self._tests[test].passages))

    def passage_vectors(self, test: str, encoder: MultiVectorEncoder) -> dict[str, Tensor]:
        """Return the token vectors of a test's passages by id, made now unless they are there."""
        return passages_by_id(self._tests[test].passages, encoder, self.work)

    def run_of(self, system: str, test: str) -> Run:
        """Return the run of another system on a test."""
        file = self._runs[system, test]
        # A system that found nothing for any question has an empty file, which is otherwise a slip.
        return read_run(file) if file.stat().st_size else {}


def judged_folder(work: Path, name: str) -> Path:
    """Return the folder in ``work`` with a set of judged queries, in a folder for each language."""
    return work / f"judged-{name}"


def passages_by_id(file: str, encoder: MultiVectorEncoder, work: Path) -> dict[str, Tensor]:
    """Return the token vectors of the passages of a file by id, which are kept in ``work``."""
    passages = list(read_passages(file))
    vectors = passage_vectors(encoder, [passage.content for passage in passages], work)
    return {passage.id: vectors[number] for number, passage in enumerate(passages)}
