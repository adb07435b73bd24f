"""Options that several commands share."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

Teacher = Annotated[
    str,
    typer.Option(
        help="English encoder: optical-tiny-en, which comes with the package, a Hub id or a folder."
    ),
]
Bitext = Annotated[
    list[str],
    typer.Option(
        help="Sentence pairs: TSV (English, foreign), two files as train.en,train.sw, .jsonl, .tmx, a zip or XML "
        "alignment of OPUS, or hf:owner/name/configuration; plain, .gz, .xz or .zst. Options behind a question mark: "
        "'train.tsv?english=2&cap=100000&weight=2'. Repeatable."
    ),
]
Output = Annotated[Path, typer.Option(help="Folder to make; must not exist.")]
IndexPlace = Annotated[
    str,
    typer.Argument(
        help="Folder made by `optical index`, or qdrant://HOST:6333/COLLECTION (qdrants:// for TLS)."
    ),
]
NewIndex = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        help="Folder to make, or qdrant://HOST:6333/COLLECTION (?shards=6&replicas=2 behind it divides and copies it); "
        "must not exist.",
    ),
]
Encoder = Annotated[
    str,
    typer.Option(help="Folder made by graft or distill, or any encoder (Hub id, folder or optical-tiny-en)."),
]
Hybrid = Annotated[
    bool,
    typer.Option(
        "--hybrid",
        help="Search by the words of the query's translations, too, or in English its own; for an index built with "
        "--lexical.",
    ),
]
Dimension = Annotated[
    int, typer.Option(help="Size of token vectors, for a teacher that is no late-interaction model.")
]
Steps = Annotated[int, typer.Option(help="Optimiser steps.")]
EmbeddingLearningRate = Annotated[float, typer.Option(help="Peak learning rate of the input embeddings.")]
LearningRate = Annotated[float, typer.Option(help="Peak learning rate of all other weights.")]
Evaluations = Annotated[int, typer.Option(help="How often the student is evaluated and saved.")]
Arithmetic = Annotated[
    bool | None,
    typer.Option("--bfloat16/--float32", help="Arithmetic; by default bfloat16 where a GPU has it."),
]
Weighted = Annotated[
    bool,
    typer.Option(
        "--weighted/--unweighted",
        help="Let the tokens of a query count by how rare they are and how sure their translation is, or all the same.",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first malformed line instead of counting it.")
]


def chosen_settings(context: typer.Context, settings: type) -> dict[str, Any]:
    """Return those of a command's options that are fields of the dataclass ``settings``."""
    names = [setting.name for setting in fields(settings)]
    return {name: context.params[name] for name in names if name in context.params}
