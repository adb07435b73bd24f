"""AfriQA: questions in African languages with human translations, and the English passages that answer them.

Source: https://github.com/masakhane-io/afriqa. A line of ``data/queries/<lang>/queries.afriqa.<lang>.en.*.json``
has ``id``, ``question``, ``translated_question``, ``answers``, ``lang``, ``split``; a line of
``data/gold_passages/<lang>/gold_span_passages.afriqa.<lang>.en.*.json`` has ``id``, ``question_lang``,
``question_translated``, ``title``, ``context`` and the answers. Both are lines of JSON, whatever their suffix.
"""

from collections.abc import Iterator
from pathlib import Path

from optical.collections.collection import Collection, Description
from optical.collections.json_values import JsonValue, names_in_first_line, read_json_lines
from optical.collections.texts import Passage
from optical.errors import OpticalError


class Afriqa(Collection):
    """``FILE`` has the queries in the African language, ``FILE#en`` their English translations.

    A file of gold passages has passages and judgements too. A passage that answers several questions occurs
    once; its id is the number of the first of their lines, from 0. A question may have several lines.
    """

    description = Description(
        name="afriqa",
        content="AfriQA jsonl (queries or gold passages)",
        direction="foreign queries, English passages; French ones for Fon and Wolof",
        licence="CC BY-SA 4.0",
        citation="Ogundepo et al. 2023, arXiv 2305.06897",
        origin="https://github.com/masakhane-io/afriqa",
        part="en for the English translations of the questions",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """Lines of JSON objects with a question and its translation."""
        return not {"translated_question", "question_translated"}.isdisjoint(names_in_first_line(start))

    def language(self, asked: str | None) -> str | None:
        """Return ``en`` or nothing: the files of gold passages do not name the language of the questions."""
        language = asked or self.part
        if language not in ("", "en"):
            raise OpticalError(
                f"{self.source} has its questions as they were asked, and in English as {self.source}#en. "
                f"Leave out {language!r}."
            )
        return language

    def read_queries(self, language: str | None) -> Iterator[tuple[str, str, str]]:
        """Yield the questions, or with ``en`` their translations."""
        asked: set[tuple[str, str]] = set()
        for line in read_json_lines(Path(self.source)):
            gold = "question_lang" in line
            if language == "en":
                question = line["question_translated" if gold else "translated_question"]
            else:
                question = line["question_lang" if gold else "question"]
            query = line["id"].identifier(), question.text()
            if not gold or query not in asked:
                yield question.where, *query
            asked.add(query)

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the gold passages, each once."""
        for line, passage, new in self._gold():
            if new:
                yield line.where, passage

    def read_judgements(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield each question with its gold passage."""
        for line, passage, _ in self._gold():
            yield line.where, line["id"].identifier(), passage.id, 1

    def _gold(self) -> Iterator[tuple[JsonValue, Passage, bool]]:
        known: dict[tuple[str, str], Passage] = {}
        for number, line in enumerate(read_json_lines(Path(self.source))):
            if "translated_question" in line and "context" not in line:
                raise self.lacks("passages and judgements, which the files gold_span_passages.afriqa.* have")
            text = line["title"].text(), line["context"].text()
            new = text not in known
            passage = known.setdefault(text, Passage(str(number), text[1], text[0]))
            yield line, passage, new
