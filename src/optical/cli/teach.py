"""``optical teach``: make an English teacher."""

from pathlib import Path
from typing import Annotated

import typer

from optical.cli.options import (
    Arithmetic,
    Dimension,
    EmbeddingLearningRate,
    Evaluations,
    LearningRate,
    Output,
    Seed,
    Steps,
    chosen_settings,
)

app = typer.Typer(
    help="Make an English teacher: from the token vectors of a larger one, from judged queries."
)


def tokens(
    context: typer.Context,
    teacher: Annotated[str, typer.Option(help="The larger encoder: Hub id or folder.")],
    text: Annotated[
        list[Path], typer.Option(help="Plain text, one passage, sentence or question a line. Repeatable.")
    ],
    output: Output,
    student: Annotated[
        str, typer.Option(help="small, or an encoder with the teacher's tokenizer to go on with.")
    ] = "small",
    layers: Annotated[int, typer.Option(help="Layers of a small student.")] = 3,
    width: Annotated[int, typer.Option(help="Width of its body, a multiple of 32.")] = 192,
    embedding_width: Annotated[int, typer.Option(help="Width of its input embeddings.")] = 128,
    steps: Steps = 5000,
    batch_size: Annotated[int, typer.Option(help="Texts a step.")] = 256,
    embedding_learning_rate: EmbeddingLearningRate = 4e-3,
    learning_rate: LearningRate = 2e-3,
    held_back: Annotated[int, typer.Option(help="Texts kept to choose the best student by.")] = 1000,
    evaluations: Evaluations = 4,
    dimension: Dimension = 128,
    bfloat16: Arithmetic = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep the teacher's vectors here, for more runs on the same texts.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Train a small encoder to give every token the vector that a larger one gives it.

    A run that was stopped goes on when the same command is given again.
    """
    from optical.cli.terminal import quiet, say
    from optical.encoders import read_provenance
    from optical.teaching import TokenSettings, teach_tokens

    quiet()
    teach_tokens(teacher, text, output, cache=cache, progress=True, **chosen_settings(context, TokenSettings))
    provenance = read_provenance(output)
    before, after = provenance["development_before"], provenance["development_after"]
    say(f"{provenance['parameters']:,} parameters, {provenance['texts']['texts']:,} texts")
    say(
        f"Held-back texts: cosine with the teacher's vectors {before['token_cosine']:.3f} before, "
        f"{after['token_cosine']:.3f} after"
    )
    say(f"Saved to {output}.")


def ranking(
    context: typer.Context,
    encoder: Annotated[str, typer.Option(help="The encoder to start from: Hub id or folder.")],
    queries: Annotated[str, typer.Option(help="English queries: TSV (id, text), .jsonl or BEIR folder.")],
    passages: Annotated[
        str, typer.Option(help="All passages: TSV (id, [title,] text), .jsonl or BEIR folder.")
    ],
    qrels: Annotated[
        str, typer.Option(help="Relevant passages of the queries: TREC or BEIR, 1 and above is relevant.")
    ],
    output: Output,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="Hard negatives in place of mined ones: a TREC run of the queries, of which the passages that are "
            "not judged relevant count, or an ir_datasets: id with triples."
        ),
    ] = None,
    cross_encoder: Annotated[
        str | None,
        typer.Option(help="Follow the scores of this cross-encoder (Hub id or folder), not the judgements."),
    ] = None,
    temperature: Annotated[float, typer.Option(help="The scores, sums of cosines, are divided by it.")] = 1.0,
    hard_negatives: Annotated[
        int,
        typer.Option(help="Hard negatives beside the relevant passage, for a query and step; 0 mines none."),
    ] = 1,
    depth: Annotated[
        int, typer.Option(help="How many of the passages ranked highest they are drawn from.")
    ] = 30,
    steps: Steps = 500,
    batch_size: Annotated[int, typer.Option(help="Queries a step.")] = 64,
    chunk: Annotated[
        int, typer.Option(help="Texts encoded at once: bounds the memory of a large batch.")
    ] = 64,
    embedding_learning_rate: EmbeddingLearningRate = 5e-4,
    learning_rate: LearningRate = 2e-4,
    held_back: Annotated[
        int, typer.Option(help="Queries kept to choose the best encoder by; a fifth of them at most.")
    ] = 300,
    evaluations: Evaluations = 4,
    dimension: Dimension = 128,
    bfloat16: Arithmetic = None,
    seed: Seed = 0,
) -> None:
    """Train an English encoder to rank, on queries and the passages that answer them.

    Hard negatives are mined from an index of all passages, unless they are given. A run that was stopped goes on when
    the same command is given again.
    """
    from optical.cli.terminal import quiet, say
    from optical.encoders import read_provenance
    from optical.teaching import RankingSettings, teach_ranking

    quiet()
    settings = chosen_settings(context, RankingSettings)
    teach_ranking(
        encoder,
        queries,
        passages,
        qrels,
        output,
        negatives=negatives,
        cross_encoder=cross_encoder,
        progress=True,
        **settings,
    )
    provenance = read_provenance(output)
    before, after = provenance["development_before"], provenance["development_after"]
    say(f"Judged queries: {provenance['training_queries']:,} for training")
    say(f"Held-back queries: MRR@10 {before['mrr_10']:.3f} before, {after['mrr_10']:.3f} after")
    say(f"Saved to {output}.")
