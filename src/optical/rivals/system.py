"""What every system of the study can do: answer queries with ranked passages."""

from collections.abc import Mapping
from typing import Protocol

from optical.collections import Run


class System(Protocol):
    """A complete way of searching English passages with queries of some language."""

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """Return query id -> passage id -> score of at most ``depth`` passages, more is better.

        A query that finds nothing has an empty entry.
        """
        ...
