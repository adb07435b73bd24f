"""``optical align``: the transport between the two sentences of one pair."""

import io
import math
from pathlib import Path
from typing import Annotated

import typer

from optical.cli.options import Encoder

_FORMATS = ("png", "svg", "pdf")


def align(
    english: Annotated[str, typer.Argument(help="The English sentence.")],
    foreign: Annotated[str, typer.Argument(help="Its translation, in the encoder's language.")],
    encoder: Encoder,
    picture: Annotated[
        Path, typer.Option(help="Picture of the transport plan to write: .png, .svg or .pdf.")
    ] = Path("alignment.png"),
    eps: Annotated[float, typer.Option(help="Entropy of the transport plan, in units of the cost.")] = 0.01,
    special_tokens: Annotated[
        bool,
        typer.Option("--special-tokens", help="Transport [CLS], [SEP], prompts and query expansion, too."),
    ] = False,
) -> None:
    """Show which tokens of a sentence and its translation belong together, as optimal transport has it."""
    import torch

    from optical.cli.terminal import quiet, say, show_table
    from optical.encoders import encode_tokens, load_encoder
    from optical.errors import OpticalError
    from optical.files import replace_file
    from optical.transport import plot, solve
    from optical.transport.plotting import require_matplotlib

    quiet()
    file_format = picture.suffix.removeprefix(".").lower()
    if file_format not in _FORMATS:
        raise OpticalError(
            f"{picture} is no picture of a known format. Let its name end in .png, .svg or .pdf."
        )
    if picture.is_dir():
        raise OpticalError(f"{picture} is a folder. Name a file to write to.")
    if not 1e-4 <= eps < math.inf:
        raise OpticalError(f"eps is {eps}. It must be at least 0.0001; 0.01 is a good value.")
    require_matplotlib()

    loaded = load_encoder(encoder)
    x = encode_tokens(loaded, english, "document")
    y = encode_tokens(loaded, foreign, "query")
    for tokens, language in ((x, "English"), (y, "foreign")):
        if tokens.special.all():
            raise OpticalError(f"The {language} sentence is empty. Give it at least one word.")
    if not special_tokens:
        x, y = x.without_special(), y.without_special()
    vectors = [torch.nn.functional.normalize(each.vectors, dim=-1)[None] for each in (x, y)]
    masks = [torch.ones(each.shape[:2], dtype=torch.bool) for each in vectors]
    transport = solve(*vectors, *masks, eps=eps)
    if not transport.valid.all():
        raise OpticalError(f"{encoder} makes vectors with NaN or infinity in them. Copy or train it again.")
    plan = transport.plan[0]
    strongest = (plan / plan.sum(0)).max(0)
    rows = [
        [label, x.labels[place], f"{share:.0%}"]
        for label, place, share in zip(
            y.labels, strongest.indices.tolist(), strongest.values.tolist(), strict=True
        )
    ]
    drawn = io.BytesIO()  # since matplotlib hides a full disk behind errors of its own
    plot(plan, x.labels, y.labels).savefig(drawn, format=file_format)
    with replace_file(picture) as temporary:
        temporary.write_bytes(drawn.getvalue())
    cost = max(0.0, transport.cost.item())  # a sentence's cost to itself may round to below 0
    show_table(f"Transport cost {cost:.3f}", ["foreign", "English", "share"], rows)
    say(f"Saved to {picture}.")
