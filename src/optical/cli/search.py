"""``optical search``: one query against an index."""

from typing import Annotated

import typer

from optical.cli.options import Encoder, IndexPlace


def search(
    index: IndexPlace,
    query: Annotated[str, typer.Argument(help="What to search for, in the encoder's language.")],
    encoder: Encoder,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 10,
    filter: Annotated[
        str | None,
        typer.Option(help="""Condition on the metadata, like 'source = "who" and year >= 2020'."""),
    ] = None,
) -> None:
    """Search an index in the encoder's language."""
    from optical.cli.terminal import quiet, say
    from optical.encoders import load_query_encoder
    from optical.index import Index

    quiet()
    with Index.open(index) as opened:
        for hit in opened.search(query, load_query_encoder(encoder), k, filter=filter):
            say(f"{hit.rank:3d}. {hit.score:7.3f}  {hit.id}  {hit.title}")
            say(f"     {hit.text}")
