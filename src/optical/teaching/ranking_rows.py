"""The rows that ranking is learned from, all drawn before training starts."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder, MultiVectorEncoder

from optical.distillation.batches import preprocess
from optical.files import replace_file
from optical.progress import count_progress
from optical.supervision import JudgedQueries
from optical.teaching.settings import RankingSettings

_CHUNK = 1024


def numbered_texts(examples: JudgedQueries) -> list[str]:
    """Return the texts that rows name by their numbers: the passages, then the queries, each text once."""
    return list(dict.fromkeys([*examples.passages, *examples.queries]))


def draw_rows(
    examples: JudgedQueries, training: Sequence[int], settings: RankingSettings, step: int
) -> Dataset:
    """Draw a relevant passage and hard negatives for each training query, as often as the whole run takes.

    The rows are rounds, in each of which every query stands once; it has other negatives each time.

    Args:
        examples: judged queries.
        training: the numbers of those to train on; each has as many negatives as ``settings`` ask for.
        settings: of the run.
        step: rows of one step, those of all processes together.

    Returns:
        Rows of numbers into :func:`numbered_texts`, by which equal texts can be told: ``query``, ``positive``,
        ``negative_1``, ...
    """
    generator = random.Random(settings.seed)
    number = {text: place for place, text in enumerate(numbered_texts(examples))}
    # The passages stand first and are distinct, so theirs are their own numbers.
    rows: dict[str, list[int]] = {"query": [], "positive": []}
    rows.update({f"negative_{each}": [] for each in range(1, settings.hard_negatives + 1)})
    for _ in range(1 + settings.steps * step // len(training)):
        for query in training:
            rows["query"].append(number[examples.queries[query]])
            rows["positive"].append(generator.choice(examples.positives(query)))
            negatives = generator.sample(examples.negatives[query], settings.hard_negatives)
            for each, negative in enumerate(negatives, start=1):
                rows[f"negative_{each}"].append(negative)
    return Dataset.from_dict(rows)


def with_scores(
    rows: Dataset, texts: Sequence[str], scorer: CrossEncoder, file: Path, *, progress: bool = False
) -> Dataset:
    """Add the scores (logits) that a cross-encoder gives the passages of each row, as the column ``label``.

    Args:
        rows: made by :func:`draw_rows`.
        texts: what their numbers stand for.
        scorer: a cross-encoder of one label.
        file: the scores are written to it, or read if it is there.
        progress: show a progress bar.
    """
    queries: list[int] = list(rows["query"])
    columns: list[list[int]] = [list(rows[column]) for column in rows.column_names if column != "query"]
    pairs = list(dict.fromkeys(pair for column in columns for pair in zip(queries, column, strict=True)))
    if not file.exists():
        with replace_file(file) as temporary, temporary.open("wb") as opened:
            np.save(opened, _scores(pairs, texts, scorer, progress))
    scores: Mapping[tuple[int, int], float] = dict(zip(pairs, np.load(file).tolist(), strict=True))
    labels = [
        [scores[query, passage] for passage in passages]
        for query, *passages in zip(queries, *columns, strict=True)
    ]
    return rows.add_column("label", labels)


def _scores(
    pairs: Sequence[tuple[int, int]], texts: Sequence[str], scorer: CrossEncoder, progress: bool
) -> np.ndarray:
    def chunks() -> Iterator[np.ndarray]:
        with count_progress("Cross-encoder scores", "pairs", len(pairs), shown=progress) as advance:
            for start in range(0, len(pairs), _CHUNK):
                chunk = [(texts[query], texts[passage]) for query, passage in pairs[start : start + _CHUNK]]
                # The sigmoid that the library puts on top would leave hardly any difference between good passages.
                yield scorer.predict(chunk, activation_fn=torch.nn.Identity(), show_progress_bar=False)
                advance(len(chunk))

    return np.concatenate(list(chunks()))


class RankingCollator:
    """Turns rows of :func:`draw_rows` into features: the first column is a query, the others are passages.

    Args:
        encoder: whose tokenizer and prompts the texts go through.
        texts: what the numbers in the rows stand for.
    """

    valid_label_columns: Sequence[str] = ("label",)

    def __init__(self, encoder: MultiVectorEncoder, texts: Sequence[str]) -> None:
        self._encoder = encoder
        self._texts = texts

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the features of a batch, their names prefixed with those of the columns."""
        batch: dict[str, Any] = {}
        for column in rows[0]:
            values = [row[column] for row in rows]
            if column == "label":
                batch["label"] = torch.tensor(values)
                continue
            features = preprocess(
                self._encoder,
                [self._texts[value] for value in values],
                "query" if column == "query" else "document",
            )
            batch.update({f"{column}_{name}": value for name, value in features.items()})
        return batch
