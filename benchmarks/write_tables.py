"""Write the tables in README.md, docs/measured.md and recipes/tiny-en/README.md from the files in benchmarks/results.

    python benchmarks/write_tables.py

A page asks for a table by the lines ``<!-- table: FILE -->`` and ``<!-- /table -->``; what is between them is replaced.
A file that is not there leaves nothing.
"""

import re
from pathlib import Path

import quality_tables
import speed_tables

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "measured.md", ROOT / "recipes" / "tiny-en" / "README.md")
ASKED = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- /table -->)", re.DOTALL)
TABLES = {
    "english-teachers.json": quality_tables.english_teachers,
    "tiny-en-ranking.json": quality_tables.ranking,
    "tiny-students.json": quality_tables.tiny_students,
    "swahili-graft-constants.json": quality_tables.graft_constants,
    "grafting.json": quality_tables.grafting,
    "accents.json": quality_tables.accents,
    "term-weights.json": quality_tables.term_weights,
    "teacher-answers.json": quality_tables.teacher_answers,
    "learned-pieces.json": quality_tables.learned_pieces,
    "student-selection.json": quality_tables.student_selection,
    "bitext-cleaning.json": speed_tables.bitext_cleaning,
    "cleaned-bitext.json": quality_tables.cleaned_bitext,
    "query-encoding.json": speed_tables.query_encoding,
    "index-encoding.json": speed_tables.index_encoding,
    "index-search-all-MiniLM-L6-v2-10586.json": speed_tables.search,
    "index-search-all-MiniLM-L6-v2-10586-same-queries.json": speed_tables.search,
    "index-search-all-MiniLM-L6-v2-100000.json": speed_tables.search,
    "index-search-optical-tiny-en-10586.json": speed_tables.search,
    "index-search-optical-tiny-en-100000.json": speed_tables.search,
    "index-search-synthetic-10000.json": speed_tables.search,
    "transport-cpu.json": speed_tables.transport,
    "serving.json": speed_tables.serving,
    "serving-soak.json": speed_tables.soak,
}


def with_tables(text: str) -> str:
    """Return the text of a page with the tables as the results have them now."""

    def written(asked: re.Match[str]) -> str:
        begin, name, end = asked.groups()
        file = RESULTS / name
        return begin + (TABLES[name](file) if file.exists() else "") + end

    return ASKED.sub(written, text)


def main() -> None:
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
