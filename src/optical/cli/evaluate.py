"""``optical evaluate``: a whole set of queries against judgements."""

import json
from pathlib import Path
from typing import Annotated

import typer

from optical.cli.options import Encoder, Hybrid, IndexPlace


def evaluate(
    index: IndexPlace,
    encoder: Encoder,
    queries: Annotated[
        str,
        typer.Option(
            help="TSV (id, text), jsonl, BEIR folder, TREC topics, AfriQA, ir_datasets:ID ...; plain or .gz."
        ),
    ],
    qrels: Annotated[
        str,
        typer.Option(
            help="TSV (query, passage, relevance), TREC qrels, BEIR folder, ir_datasets:ID ...; plain or .gz."
        ),
    ],
    run: Annotated[Path | None, typer.Option(help="Write the ranking to this TREC run file.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    k: Annotated[
        int | None, typer.Option("-k", help="Passages to rank for a query; by default 100 or all.")
    ] = None,
    hybrid: Hybrid = False,
) -> None:
    """Search with every judged query and measure the rankings."""
    from optical.cli.terminal import quiet, say, show_table
    from optical.collections import read_judgements, read_queries, write_run
    from optical.encoders import load_query_encoder, load_query_translations
    from optical.errors import OpticalError
    from optical.evaluation import evaluate as measure
    from optical.evaluation import rank
    from optical.files import replace_file
    from optical.index import Index

    quiet()
    for file in (run, json_file):
        if file is not None and file.is_dir():
            raise OpticalError(f"{file} is a folder. Name a file to write to.")
    texts, judgements = read_queries(queries), read_judgements(qrels)
    missing = len(judgements.keys() - texts.keys())
    if missing:
        say(f"{missing} of {len(judgements)} judged queries are not in {queries}; they count as 0.")
    translations = load_query_translations(encoder) if hybrid else None
    with Index.open(index) as opened:
        judged = {query: text for query, text in texts.items() if query in judgements}
        searching = load_query_encoder(encoder)
        ranking = rank(opened, judged, searching, k, translations=translations, progress=True)
    figures = measure(ranking, judgements)
    if run is not None:
        write_run(run, ranking, "optical")
    if json_file is not None:
        with replace_file(json_file) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    show_table(
        f"{len(judgements)} judged queries", list(figures), [[f"{value:.4f}" for value in figures.values()]]
    )
