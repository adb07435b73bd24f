"""``optical search``: one query against an index."""

from typing import Annotated

import typer

from optical.cli.options import Encoder, Hybrid, IndexPlace


def search(
    index: IndexPlace,
    query: Annotated[str, typer.Argument(help="What to search for, in the encoder's language.")],
    encoder: Encoder,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 10,
    filter: Annotated[
        str | None,
        typer.Option(help="""Condition on the metadata, like 'source = "who" and year >= 2020'."""),
    ] = None,
    hybrid: Hybrid = False,
) -> None:
    """Search an index in the encoder's language."""
    from optical.cli.terminal import quiet, say
    from optical.encoders import load_query_encoder, load_query_translations
    from optical.index import Index

    quiet()
    translations = load_query_translations(encoder) if hybrid else None
    with Index.open(index) as opened:
        for hit in opened.search(
            query, load_query_encoder(encoder), k, filter=filter, translations=translations
        ):
            # Fused scores differ little.
            score = f"{hit.score:7.4f}" if hybrid else f"{hit.score:7.3f}"
            say(f"{hit.rank:3d}. {score}  {hit.id}  {hit.title}")
            say(f"     {hit.text}")
