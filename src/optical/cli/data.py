"""``optical data``: collections and training data."""

import typer

app = typer.Typer(no_args_is_help=True, help="Collections and training data.")
