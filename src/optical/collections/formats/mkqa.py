"""MKQA: 10,000 real English questions with human translations into 25 languages, without passages.

Source: README of https://github.com/apple/ml-mkqa: each line of ``mkqa.jsonl.gz`` has ``example_id``, the
original English ``query``, and ``queries`` by language.
"""

from collections.abc import Iterator
from pathlib import Path

from optical.collections.collection import Collection, Description
from optical.collections.json_values import names_in_first_line, read_json_lines
from optical.errors import OpticalError


class Mkqa(Collection):
    """``FILE#sw`` takes the queries of that language; ``FILE#en`` the English ones."""

    description = Description(
        name="mkqa",
        content="MKQA jsonl",
        direction="queries in 26 languages, the original is English; passages are not part of it",
        licence="CC BY-SA 3.0",
        citation="Longpre et al. 2021, arXiv 2007.15207",
        origin="https://github.com/apple/ml-mkqa",
        part="the language of the queries",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Lines of JSON objects with ``example_id`` and ``queries``."""
        return {"example_id", "queries"} <= names_in_first_line(start)

    def languages(self) -> list[str]:
        """Return the languages of the first line."""
        for line in read_json_lines(Path(self.source)):
            queries = line["queries"]
            if not isinstance(queries.value, dict):
                raise OpticalError(
                    f"{queries.where} is no object with a query for each language. Mend the line."
                )
            return sorted({"en", *queries.value})
        return []

    def read_queries(self, language: str | None) -> Iterator[tuple[str, str, str]]:
        """Yield the queries in ``language``."""
        for line in read_json_lines(Path(self.source)):
            query = line["query"] if language == "en" else line["queries"][str(language)]
            yield query.where, line["example_id"].identifier(), query.text()
