"""``optical data build-wikiclir``: make a collection from the links of Wikipedia."""

from pathlib import Path
from typing import Annotated

import typer


def build_wikiclir(
    english: Annotated[Path, typer.Option(help="enwiki-DATE-pages-articles.xml.bz2 (or simplewiki).")],
    foreign: Annotated[
        Path, typer.Option(help="The same of the other language: swwiki-DATE-pages-articles.xml.bz2.")
    ],
    langlinks: Annotated[
        Path, typer.Option(help="Its links to other languages: swwiki-DATE-langlinks.sql.gz.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; must not exist.")],
    sentences: Annotated[int, typer.Option(help="Sentences of an article that make its query.")] = 1,
    passage_words: Annotated[int, typer.Option(help="The most words of a passage.")] = 200,
    dev: Annotated[float, typer.Option(help="Share of the queries kept for development.")] = 0.05,
    test: Annotated[float, typer.Option(help="Share of the queries kept for tests.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Another seed splits otherwise.")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Use what can be read of a file that is cut short or damaged.")
    ] = False,
) -> None:
    """Make queries, passages and judgements from dumps of Wikipedia (WikiCLIR).

    A query is the start of an article without the words of its title. Of relevance 2 is the English article that it
    is linked with, of relevance 1 what is mutually linked with that one. The files are at https://dumps.wikimedia.org.
    """
    from optical.collections.wikiclir import build_wikiclir as build

    statistics = build(
        english,
        foreign,
        langlinks,
        output,
        progress=True,
        sentences=sentences,
        passage_words=passage_words,
        dev=dev,
        test=test,
        seed=seed,
        skip_bad=skip_bad,
    )
    from optical.cli.terminal import say, show_table

    rows = [
        [split, *(f"{count:,}" for count in (statistics.queries[split], judged[2], judged[1]))]
        for split, judged in statistics.judgements.items()
    ]
    show_table("WikiCLIR", ["split", "queries", "relevance 2", "relevance 1"], rows)
    say(
        f"{statistics.passages:,} passages of {statistics.mean_passage_words:.1f} words, queries of "
        f"{statistics.mean_query_words:.1f} words (means)."
    )
    if statistics.skipped:
        skipped = [[reason, f"{count:,}"] for reason, count in sorted(statistics.skipped.items())]
        show_table("Left out", ["reason", "pages"], skipped)
    say(f"Saved to {output}.")
