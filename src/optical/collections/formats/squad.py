"""SQuAD and sets in its form, XQuAD above all: paragraphs are passages, questions are queries.

Source: https://rajpurkar.github.io/SQuAD-explorer (Rajpurkar et al. 2016) and
https://github.com/google-deepmind/xquad ("All files are in json format following the SQuAD dataset format").
"""

import re
from collections.abc import Iterator
from pathlib import Path

from optical.collections.collection import Collection, Description
from optical.collections.json_values import JsonValue, read_json
from optical.collections.texts import Passage

_BEGINNING = re.compile(r'\{(\s*"version"\s*:\s*"[^"]*"\s*,)?\s*"data"\s*:\s*\[')


class Squad(Collection):
    """``{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}``.

    The id of a passage is the number of its paragraph in the file, from 0. The files of XQuAD are parallel:
    the same number is the same paragraph in every language, and judgements of any file hold for all.
    Questions without an answer (SQuAD 2.0) are queries that nothing is relevant to.
    """

    description = Description(
        name="squad",
        content="SQuAD json (also XQuAD)",
        direction="both sides in the language of the file; cross-lingual by taking queries and passages from two",
        licence="CC BY-SA 4.0",
        citation="Rajpurkar et al. 2016, arXiv 1606.05250; Artetxe et al. 2020, arXiv 1910.11856",
        origin="https://rajpurkar.github.io/SQuAD-explorer, https://github.com/google-deepmind/xquad",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """A JSON object that begins with the list ``data``, perhaps after ``version``."""
        return _BEGINNING.match(start) is not None

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the paragraphs."""
        for number, title, paragraph in self._paragraphs():
            context = paragraph["context"]
            yield context.where, Passage(str(number), context.text(), title)

    def read_queries(self, language: str | None) -> Iterator[tuple[str, str, str]]:
        """Yield the questions."""
        for _, _, paragraph in self._paragraphs():
            for question in paragraph["qas"].items():
                identifier = question["id"]
                yield identifier.where, identifier.identifier(), question["question"].text()

    def read_judgements(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield each question that has an answer, with its paragraph."""
        for number, _, paragraph in self._paragraphs():
            for question in paragraph["qas"].items():
                if any(question["answers"].items()):
                    yield question.where, question["id"].identifier(), str(number), 1

    def _paragraphs(self) -> Iterator[tuple[int, str, JsonValue]]:
        number = 0
        for article in read_json(Path(self.source))["data"].items():
            title = article["title"].text().replace("_", " ") if "title" in article else ""
            for paragraph in article["paragraphs"].items():
                yield number, title, paragraph
                number += 1
