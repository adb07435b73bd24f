"""``optical supervise``: train a query encoder on judged queries."""

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
    Strict,
    Teacher,
    chosen_settings,
)
from optical.models import TINY_EN


def supervise(
    context: typer.Context,
    queries: Annotated[
        str, typer.Option(help="Queries in the new language: TSV (id, text), .jsonl or BEIR folder.")
    ],
    passages: Annotated[
        str, typer.Option(help="English passages: TSV (id, [title,] text), .jsonl or BEIR folder.")
    ],
    qrels: Annotated[
        str, typer.Option(help="Relevant passages of the queries: TREC or BEIR, 1 and above is relevant.")
    ],
    output: Output,
    teacher: Teacher = TINY_EN,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="TREC run: what it ranks high and is not judged relevant is a hard negative; or ir_datasets:ID of a "
            "set with triples. Without it, "
            "the passages of other queries in a step are the only negatives."
        ),
    ] = None,
    translations: Annotated[
        str | None,
        typer.Option(help="The queries in English, with the same ids; the objective kl needs them."),
    ] = None,
    student: Annotated[
        str,
        typer.Option(
            help="graft, accented-graft, transplant (all made from --bitext; of another encoder than the teacher as "
            "graft:NAME and so on), or any encoder to start from: Hub id or folder, such as one made by graft or "
            "distill."
        ),
    ] = "graft",
    bitext: Annotated[
        list[str] | None,
        typer.Option(help="Sentence pairs for a graft or transplant, as for `optical distill`. Repeatable."),
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            help="Training loss: contrastive (rank as judged), kl (rank as the teacher ranks for the English "
            "query), or 'contrastive + kl'."
        ),
    ] = "contrastive",
    temperature: Annotated[
        float,
        typer.Option(help="Of the scores, in units of a cosine; the smaller, the more near passages count."),
    ] = 0.05,
    hard_negatives: Annotated[
        int, typer.Option(help="Passages drawn from --negatives for a query and step.")
    ] = 1,
    depth: Annotated[
        int, typer.Option(help="How many top-ranked negatives of a query they are drawn from.")
    ] = 50,
    steps: Steps = 300,
    batch_size: Annotated[int, typer.Option(help="Queries a step.")] = 32,
    embedding_learning_rate: EmbeddingLearningRate = 3e-3,
    learning_rate: LearningRate = 2e-4,
    held_back: Annotated[
        int, typer.Option(help="Queries kept to choose the best student by; a fifth of them at most.")
    ] = 200,
    evaluations: Evaluations = 4,
    dimension: Dimension = 128,
    bfloat16: Arithmetic = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep the teacher's vectors here, for more runs on the same passages.")
    ] = None,
    seed: Seed = 0,
    strict: Strict = False,
) -> None:
    """Train a query encoder on queries of a new language and the English passages that answer them.

    A run that was stopped goes on when the same command is given again.
    """
    from optical.cli.terminal import quiet, report_student, say
    from optical.encoders import read_provenance
    from optical.supervision import SupervisionSettings
    from optical.supervision import supervise as train

    quiet()
    train(
        teacher,
        queries,
        passages,
        qrels,
        output,
        bitext=bitext or (),
        negatives=negatives,
        translations=translations,
        strict=strict,
        cache=cache,
        progress=True,
        **chosen_settings(context, SupervisionSettings),
    )
    report_student(output)
    provenance = read_provenance(output)
    judged = provenance["judged_queries"]
    say(
        f"Judged queries: {judged['queries']} with {judged['judgements']} relevant passages, "
        f"{provenance['training_queries']} of them for training"
    )
    before, after = provenance["development_before"], provenance["development_after"]
    say(f"Held-back queries: MRR@10 {before['mrr_10']:.3f} before, {after['mrr_10']:.3f} after")
    say(f"Saved to {output}.")
