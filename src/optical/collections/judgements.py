"""Relevance judgements: which passages answer which query."""

from pathlib import Path
from typing import TypeAlias

from optical.collections.lines import inside_beir_folder, text_lines
from optical.errors import OpticalError

Judgements: TypeAlias = dict[str, dict[str, int]]
"""Query id -> passage id -> relevance; 1 and above is relevant."""

_BEIR_HEADER = ["query-id", "corpus-id", "score"]


def read_judgements(path: str | Path) -> Judgements:
    """Return the judgements of a file, or of ``qrels/test.tsv`` in a BEIR folder.

    The first line decides the form: ``query<TAB>passage<TAB>relevance``, with or without the header of
    BEIR, or four columns of TREC, ``query 0 passage relevance``, with any whitespace between them.

    Raises:
        OpticalError: the file is missing, empty or not UTF-8, a line has the wrong number of columns or an
            empty id, a relevance is no integer, or a pair is judged twice.
    """
    path = inside_beir_folder(Path(path), "qrels/test.tsv")
    judgements: Judgements = {}
    tab_separated: bool | None = None
    for number, line in text_lines(path):
        if tab_separated is None:
            tab_separated = line.count("\t") == 2
            if tab_separated and line.split("\t") == _BEIR_HEADER:
                continue
        columns = [column.strip() for column in line.split("\t")] if tab_separated else line.split()
        if len(columns) != (3 if tab_separated else 4):
            expected = (
                "3 (query<TAB>passage<TAB>relevance)" if tab_separated else "4 (query 0 passage relevance)"
            )
            raise OpticalError(
                f"{path}:{number}: {len(columns)} column(s) instead of {expected}. Mend the line."
            )
        query, passage, relevance = columns[0], columns[-2], columns[-1]
        if not query or not passage:
            raise OpticalError(f"{path}:{number}: an id is empty. Give the query and the passage their ids.")
        judged = judgements.setdefault(query, {})
        if passage in judged:
            raise OpticalError(
                f"{path}:{number}: query {query} judges passage {passage} again. Remove one line."
            )
        try:
            judged[passage] = int(relevance)
        except ValueError as error:
            raise OpticalError(
                f"{path}:{number}: the relevance {relevance!r} is no integer. Write 0, 1, 2 and so on."
            ) from error
    if not judgements:
        raise OpticalError(
            f"{path} has no judgements. Name a file with query, passage and relevance on each line."
        )
    return judgements
