"""Batches of judged queries: which passages stand beside each, drawn before training starts."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.distillation.batches import preprocess
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.vector_file import VectorFile, pad_vectors
from optical.encoders import query_lengths
from optical.supervision.examples import JudgedQueries


def draw_rows(
    examples: JudgedQueries,
    training: Sequence[int],
    student: MultiVectorEncoder,
    *,
    count: int,
    hard_negatives: int,
    seed: int,
) -> Dataset:
    """Draw the rows of a whole training run: every query once before any comes again.

    All is drawn here and nothing while training, so that a resumed run sees what an uninterrupted one would have seen.

    Args:
        examples: judged queries.
        training: the numbers of those to train on.
        student: whose tokens are counted.
        count: rows.
        hard_negatives: given negatives of each row, fewer where a query has fewer.
        seed: decides all.

    Returns:
        Rows with the number of a query as ``foreign``, one of its ``positive`` passages, ``negatives``, and the
        ``length`` of the query in tokens.
    """
    generator = random.Random(seed)
    lengths = dict(
        zip(training, query_lengths(student, [examples.queries[query] for query in training]), strict=True)
    )
    positives = {query: examples.positives(query) for query in training}
    order: list[int] = []
    rows: dict[str, list[Any]] = {"foreign": [], "positive": [], "negatives": [], "length": []}
    for _ in range(count):
        order = order or generator.sample(training, len(training))
        query = order.pop()
        given = examples.negatives[query]
        rows["foreign"].append(query)
        rows["positive"].append(generator.choice(positives[query]))
        rows["negatives"].append(generator.sample(given, min(hard_negatives, len(given))))
        rows["length"].append(lengths[query])
    return Dataset.from_dict(rows)


class QueryCollator:
    """Turns rows of :func:`draw_rows` into what :class:`optical.supervision.RankingLoss` expects.

    Args:
        student: whose tokenizer the foreign queries go through.
        examples: judged queries.
        passages: the teacher's vectors of the passages, by number.
        english: the teacher's vectors of the translations, where there are any.
    """

    valid_label_columns: Sequence[str] = ()

    def __init__(
        self,
        student: MultiVectorEncoder,
        examples: JudgedQueries,
        passages: VectorFile,
        english: TeacherVectors | None = None,
    ) -> None:
        self._student = student
        self._examples = examples
        self._passages = passages
        self._english = english

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the features of a batch, their names prefixed with ``foreign_``, ``passages_`` and ``english_``."""
        queries = [row["foreign"] for row in rows]
        # A passage stands once in a batch, however many rows have it.
        places: dict[int, int] = {}
        for row in rows:
            for passage in (row["positive"], *row["negatives"]):
                places.setdefault(passage, len(places))
        relevant = torch.zeros(len(rows), len(places), dtype=torch.bool)
        for place, query in enumerate(queries):
            for passage in self._examples.relevant[query].keys() & places.keys():
                relevant[place, places[passage]] = True
        columns = {
            "foreign": preprocess(self._student, [self._examples.queries[query] for query in queries]),
            "passages": {
                **_features([self._passages[passage] for passage in places]),
                "positive": torch.tensor([places[row["positive"]] for row in rows]),
                "relevant": relevant,
            },
        }
        if self._english is not None and self._examples.translations is not None:
            translations = [self._examples.translations[query] for query in queries]
            columns["english"] = _features([self._english[sentence][0] for sentence in translations])
        return {
            f"{side}_{key}": value for side, features in columns.items() for key, value in features.items()
        }


def _features(vectors: Sequence[Tensor]) -> dict[str, Tensor]:
    padded, mask = pad_vectors(vectors)
    # The trainer finds the columns of a batch by their input_ids; nothing else reads these.
    return {
        "input_ids": torch.zeros(len(vectors), 1, dtype=torch.long),
        "token_embeddings": padded,
        "attention_mask": mask,
    }
