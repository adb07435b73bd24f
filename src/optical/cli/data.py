"""``optical data``: collections, from others or made here."""

import typer

app = typer.Typer(no_args_is_help=True, help="Collections of queries, passages and judgements.")
