"""``optical distill``: train a query encoder."""

from pathlib import Path
from typing import Annotated

import typer

from optical.cli.options import (
    Arithmetic,
    Bitext,
    Dimension,
    EmbeddingLearningRate,
    Evaluations,
    LearningRate,
    Output,
    Seed,
    Steps,
    Strict,
    Teacher,
    Weighted,
    chosen_settings,
)
from optical.models import TINY_EN


def distill(
    context: typer.Context,
    bitext: Bitext,
    output: Output,
    teacher: Teacher = TINY_EN,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Settings that belong together, in place of the defaults: paper = the plain form of the paper. "
            "Options given besides it count."
        ),
    ] = None,
    student: Annotated[
        str,
        typer.Option(
            help="graft, accented-graft (which tells words apart by their accents), transplant, any encoder to start "
            "from (Hub id or folder), or graft:ENCODER: that encoder with words of the new language added. Likewise "
            "accented-graft:ENCODER and transplant:ENCODER."
        ),
    ] = "graft",
    weighted: Weighted = True,
    objective: Annotated[
        str,
        typer.Option(
            help="Training loss: optical, mean-pool, greedy, hard-max, contrastive, adversarial, "
            "adversarial-alternating, or a sum such as 'optical + 0.5*mean-pool'."
        ),
    ] = "optical + mean-pool",
    eps: Annotated[float, typer.Option(help="Entropy of the transport plan, in units of the cost.")] = 0.01,
    special_tokens: Annotated[
        str,
        typer.Option(help="[CLS], [SEP] and query expansion in the transport: transport, match or ignore."),
    ] = "transport",
    marginals: Annotated[
        str,
        typer.Option(
            help="Weights of the tokens in the transport: uniform, or idf (rare tokens weigh more)."
        ),
    ] = "uniform",
    steps: Steps = 300,
    batch_size: Annotated[int, typer.Option(help="Sentence pairs a step.")] = 64,
    embedding_learning_rate: EmbeddingLearningRate = 3e-3,
    learning_rate: LearningRate = 2e-4,
    discriminator_learning_rate: Annotated[
        float, typer.Option(help="Peak learning rate of the discriminator of an adversarial objective.")
    ] = 5e-3,
    max_tokens: Annotated[
        int, typer.Option(help="Leave out pairs with more tokens than this on a side.")
    ] = 32,
    held_back: Annotated[int, typer.Option(help="Sentence pairs kept to choose the best student by.")] = 500,
    evaluations: Evaluations = 4,
    dimension: Dimension = 128,
    bfloat16: Arithmetic = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep the teacher's vectors here, for more runs on the same bitext.")
    ] = None,
    seed: Seed = 0,
    strict: Strict = False,
) -> None:
    """Distil a query encoder for a new language from an English one.

    A run that was stopped goes on when the same command is given again.
    """
    from optical.cli.terminal import quiet, report_student, say
    from optical.distillation import Settings
    from optical.distillation import distill as train
    from optical.encoders import read_provenance

    quiet()
    settings = chosen_settings(context, Settings)
    if recipe is not None:
        settings = {
            name: value
            for name, value in settings.items()
            if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        }
    train(teacher, bitext, output, recipe=recipe, strict=strict, cache=cache, progress=True, **settings)
    report_student(output)
    provenance = read_provenance(output)
    before, after = provenance["development_before"], provenance["development_after"]
    say(
        f"Held-back pairs: teacher overlap {before['teacher_overlap']:.3f} before, "
        f"{after['teacher_overlap']:.3f} after; "
        f"translation MRR {before['translation_mrr']:.3f} before, {after['translation_mrr']:.3f} after; "
        f"transport cost {before['transport_cost']:.3f} before, {after['transport_cost']:.3f} after"
    )
    say(f"Saved to {output}.")
