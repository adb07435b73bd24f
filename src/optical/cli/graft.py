"""``optical graft``: a query encoder without training."""

from typing import Annotated

import typer

from optical.cli.options import Bitext, Dimension, Output, Seed, Strict, Teacher, Weighted
from optical.models import TINY_EN


def graft(
    bitext: Bitext,
    output: Output,
    teacher: Teacher = TINY_EN,
    student: Annotated[
        str,
        typer.Option(
            help="graft, accented-graft (which tells words apart by their accents), transplant, or one of them on "
            "another encoder than the teacher: graft:ENCODER (Hub id or folder). Such a student needs training before "
            "it searches well."
        ),
    ] = "graft",
    weighted: Weighted = True,
    dimension: Dimension = 128,
    seed: Seed = 0,
    strict: Strict = False,
) -> None:
    """Make a query encoder for a new language in seconds, without training."""
    from optical.cli.terminal import quiet, report_student, say
    from optical.distillation import graft as make

    quiet()
    make(
        teacher,
        bitext,
        output,
        student=student,
        weighted=weighted,
        dimension=dimension,
        seed=seed,
        strict=strict,
    )
    report_student(output)
    say(f"Saved to {output}. Search with it as it is, or train one with `optical distill`.")
