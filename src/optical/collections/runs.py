"""Ranked results in the format of TREC."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from optical.collections.lines import text_lines
from optical.errors import OpticalError
from optical.files import replace_file

Run: TypeAlias = dict[str, dict[str, float]]
"""Query id -> passage id -> score; more is better."""


def ranked(run: Run) -> Iterator[tuple[str, list[str]]]:
    """Yield each query with its passage ids, best first: by falling score, then by passage id.

    Raises:
        OpticalError: a score is not a finite number, so that there is no order.
    """
    for query, scores in run.items():
        for passage, score in scores.items():
            if not math.isfinite(score):
                raise OpticalError(
                    f"Query {query}: passage {passage} has the score {score}. Scores must be finite numbers."
                )
        yield query, sorted(scores, key=lambda passage: (-scores[passage], passage))


def write_run(path: str | Path, run: Run, name: str) -> None:
    """Write lines ``query Q0 passage rank score name``, ranks from 1 in the order of :func:`ranked`.

    Scores are written with all their digits: :func:`read_run` returns an equal run, apart from queries
    without any passage, for which the format has no line.

    Raises:
        OpticalError: an id or ``name`` is empty or has whitespace in it, or a score is not finite.
    """
    _require_one_word("The run name", name)
    with replace_file(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for query, passages in ranked(run):
            _require_one_word("The query id", query)
            for rank, passage in enumerate(passages, start=1):
                _require_one_word("The passage id", passage)
                file.write(f"{query} Q0 {passage} {rank} {float(run[query][passage])!r} {name}\n")


def read_run(path: str | Path) -> Run:
    """Return the run in a TREC file (plain or ``.gz``); scores count, the ranks written there do not.

    Raises:
        OpticalError: the file is missing, empty or not UTF-8, a line has not six columns, a rank is no
            integer, a score no finite number, or a passage is ranked twice for one query.
    """
    path = Path(path)
    run: Run = {}
    for number, line in text_lines(path):
        columns = line.split()
        if len(columns) != 6:
            raise OpticalError(
                f"{path}:{number}: {len(columns)} column(s) instead of 6 (query Q0 passage rank score name). "
                "Mend the line."
            )
        query, _, passage, rank, score, _ = columns
        try:
            int(rank)
            value = float(score)
        except ValueError as error:
            raise OpticalError(
                f"{path}:{number}: rank {rank} and score {score} should be numbers. Mend the line."
            ) from error
        if not math.isfinite(value):
            raise OpticalError(f"{path}:{number}: the score {score} is not a finite number. Mend the line.")
        scores = run.setdefault(query, {})
        if passage in scores:
            raise OpticalError(
                f"{path}:{number}: query {query} ranks passage {passage} again. Remove one line."
            )
        scores[passage] = value
    if not run:
        raise OpticalError(f"{path} has only empty lines. Name a file with ranked passages.")
    return run


def _require_one_word(what: str, value: str) -> None:
    if value.split() != [value]:
        raise OpticalError(
            f"{what} {value!r} is empty or has whitespace, which a TREC run cannot hold. Rename it."
        )
