"""``optical explain``: why the passages of a search were found."""

from pathlib import Path
from typing import Annotated

import typer

from optical.cli.options import Encoder, IndexPlace


def explain(
    index: IndexPlace,
    query: Annotated[str, typer.Argument(help="What to search for, in the encoder's language.")],
    encoder: Encoder,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 3,
    page: Annotated[Path | None, typer.Option(help="Write a web page, too: a file.html.")] = None,
) -> None:
    """Search, and show which words of each passage answer which words of the query."""
    from optical.cli.terminal import quiet, say, show_explanation
    from optical.collections import Passage
    from optical.encoders import load_query_encoder
    from optical.explanation import explain as explain_passage
    from optical.explanation import explanation_page
    from optical.files import replace_file
    from optical.index import Index

    quiet()
    loaded = load_query_encoder(encoder)
    with Index.open(index) as opened:
        hits = opened.search(query, loaded, k)
    explanations = [
        explain_passage(query, Passage(hit.id, hit.text, hit.title).content, loaded) for hit in hits
    ]
    for hit, explanation in zip(hits, explanations, strict=True):
        say(f"{hit.rank:3d}. {hit.score:7.3f}  {hit.id}")
        show_explanation(explanation)
    if page is not None:
        with replace_file(page) as temporary:
            temporary.write_text(explanation_page(explanations), encoding="utf-8")
        say(f"Saved to {page}.")
