import gzip
import io
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.collections.wikiclir.dumps import BrokenDumpError
from optical.collections.wikiclir.langlinks import read_langlinks
from optical.errors import OpticalError

from .handmade_dumps import langlinks_sql, write_langlinks

ROWS = [
    (12, "de", "Mwanza"),
    (12, "en", "Mwanza"),
    (13, "en", "Queen's Day (1984),(5,'en','x')"),
    (14, "en", 'Back\\slash "quoted"'),
    (15, "en", "São Tomé 北京"),
    (16, "eng", "Not English"),
    (17, "en", ""),
]
ENGLISH = [(page, title) for page, code, title in ROWS if code == "en"]


def read(path: Path, malformed: Counter[str] | None = None) -> list[tuple[int, str]]:
    with path.open("rb") as raw:
        return list(read_langlinks(path, raw, "en", "swwiki", malformed))


@pytest.mark.parametrize("rows_a_line", [1, 3, 100])
def test_reads_one_language(rows_a_line: int, tmp_path: Path) -> None:
    assert read(write_langlinks(tmp_path / "l.sql.gz", ROWS, rows_a_line=rows_a_line)) == ENGLISH


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.text(max_size=30))))
def test_gives_any_title_back(rows: list[tuple[int, str]]) -> None:
    rows = [(1, "first"), *((page, title.encode("utf-8", "ignore").decode()) for page, title in rows)]
    sql = langlinks_sql([(page, "en", title) for page, title in rows])
    raw = io.BytesIO(sql.encode())
    assert list(read_langlinks(Path("l.sql"), raw, "en", "swwiki")) == rows


def test_doubled_quotes_are_read_as_sqlite_reads_them() -> None:
    statement = "INSERT INTO `langlinks` VALUES (1,'en','Queen''s Day'),(2,'en',''''),(3,'en','a''''b');"
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE `langlinks` (ll_from, ll_lang, ll_title)")
    database.execute(statement)
    expected = database.execute("SELECT ll_from, ll_title FROM langlinks").fetchall()
    raw = io.BytesIO(statement.encode())
    assert list(read_langlinks(Path("l.sql"), raw, "en", "swwiki")) == expected


def test_column_names_in_the_statement(tmp_path: Path) -> None:
    path = tmp_path / "l.sql"
    path.write_text(
        "INSERT INTO `langlinks` (`ll_from`, `ll_lang`, `ll_title`) VALUES (1,'en','A'), (2,'en','B');\n"
    )
    assert read(path) == [(1, "A"), (2, "B")]


def test_other_tables_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "l.sql"
    path.write_text("INSERT INTO `page` VALUES (9,'en','No');\n" + langlinks_sql(ROWS))
    assert read(path) == ENGLISH


def test_cut_short_gzip(tmp_path: Path) -> None:
    path = write_langlinks(tmp_path / "l.sql.gz", [(n, "en", f"T{n * n}") for n in range(1, 5000)])
    path.write_bytes(path.read_bytes()[:-2000])
    found: list[tuple[int, str]] = []
    with path.open("rb") as raw, pytest.raises(BrokenDumpError, match="cut short or damaged after line"):
        found.extend(read_langlinks(path, raw, "en", "swwiki"))
    assert found == [(n, f"T{n * n}") for n in range(1, len(found) + 1)]
    assert len(found) > 1000


def test_cut_short_between_rows(tmp_path: Path) -> None:
    path = tmp_path / "l.sql"
    path.write_text("INSERT INTO `langlinks` VALUES (1,'en','A'),")
    with pytest.raises(BrokenDumpError, match="does not end the statement"):
        read(path)


def test_a_malformed_row(tmp_path: Path) -> None:
    path = tmp_path / "l.sql.gz"
    sql = langlinks_sql(ROWS).replace("(13,'en',", "(13,en,")
    path.write_bytes(gzip.compress(sql.encode()))
    line = sql[: sql.index("(13,en")].count("\n") + 1
    with pytest.raises(BrokenDumpError, match=rf"{path.name}:{line}: no row .*\(13,en,"):
        read(path)
    malformed: Counter[str] = Counter()
    assert read(path, malformed) == [row for row in ENGLISH if row[0] != 13]
    assert malformed == {"langlinks: malformed row": 1}


@pytest.mark.parametrize(
    ("sql", "mention"),
    [
        (langlinks_sql(ROWS, "amwiki"), "links of amwiki, the foreign dump is of swwiki"),
        (
            "CREATE TABLE `page` (id);\nINSERT INTO `page` VALUES (1,'en','A');\n",
            "no rows of the table langlinks",
        ),
        ("", "no rows of the table langlinks"),
    ],
)
def test_another_table(sql: str, mention: str, tmp_path: Path) -> None:
    path = tmp_path / "l.sql"
    path.write_text(sql)
    with pytest.raises(OpticalError, match=mention):
        read(path)
