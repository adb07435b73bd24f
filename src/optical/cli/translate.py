"""``optical data translate``: training queries for any language, by machine translation."""

from pathlib import Path
from typing import Annotated

import typer


def translate(
    queries: Annotated[
        Path, typer.Option(help="English queries: TSV (id, text), BEIR folder or jsonl; plain or .gz.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Translator from English: Hub id or folder of a sequence-to-sequence checkpoint, or folder converted "
            "with ct2-transformers-converter."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="File to write: .jsonl, or else TSV with the same ids; must not exist."
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(help="Language to translate into, by the checkpoint's code, such as swh_Latn for NLLB."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="The checkpoint's code of English, such as eng_Latn for NLLB."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Queries translated at once.")] = 32,
) -> None:
    """Translate English queries into another language, to train on with their English passages.

    A run that was stopped goes on when the same command is given again. What made the file is written beside it.
    """
    from optical.cli.terminal import quiet, say
    from optical.rivals.translate_train import translate_queries

    quiet()
    translate_queries(queries, model, output, source=source, target=to, batch_size=batch_size, progress=True)
    say(f"Wrote {output}, and what made it to {output}.provenance.json.")
