"""``optical index``: make an English passage collection searchable."""

from typing import Annotated

import typer

from optical.cli.options import Encoder, Output


def index(
    encoder: Encoder,
    passages: Annotated[
        str,
        typer.Option(
            help="TSV (id, text or id, title, text), jsonl, BEIR folder, TREC, XQuAD, ir_datasets:ID ...; plain or .gz."
        ),
    ],
    output: Output,
) -> None:
    """Build an index of English passages; every encoder distilled from the same teacher can search it."""
    from optical.cli.terminal import quiet, say
    from optical.collections import read_passages
    from optical.encoders import load_encoder
    from optical.files import require_absent
    from optical.index import Index

    quiet()
    require_absent(output)
    with Index.create(output, load_encoder(encoder), read_passages(passages), progress=True) as built:
        say(f"Indexed {built.count} passages in {output}.")
