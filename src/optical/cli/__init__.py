"""The command line: one file a command, and one place that turns errors into sentences."""

from optical.cli.main import main

__all__ = ["main"]
