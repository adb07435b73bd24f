"""Wikimedia's dumps of links between languages (``*-langlinks.sql.gz``), read row by row.

The format is that of mysqldump: lines ``INSERT INTO `langlinks` VALUES (12,'en','Title'),...;`` of about 1 MB, strings
with backslash escapes (https://dev.mysql.com/doc/refman/8.0/en/string-literals.html). The table is described at
https://www.mediawiki.org/wiki/Manual:Langlinks_table.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from optical.collections.wikiclir.dumps import DAMAGE, BrokenDumpError, decompress
from optical.errors import OpticalError

_DATABASE = re.compile(rb"-- Host: .*\bDatabase: (\w+)")
_INSERT = re.compile(rb"INSERT INTO `langlinks` (?:\([^)]*\) )?VALUES\s*")
_STRING = rb"'([^'\\]*(?:(?:\\.|'')[^'\\]*)*)'"
_ROW = re.compile(rb"\((\d+)," + _STRING + rb"," + _STRING + rb"\)\s*([,;])\s*", re.DOTALL)
_NEXT_ROW = re.compile(rb"(?<=\),)(?=\(\d+,')")
_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_CONTROL = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a"}
_SHOWN_BYTES = 40


def read_langlinks(
    path: Path, raw: BinaryIO, language: str, database: str, malformed: Counter[str] | None = None
) -> Iterator[tuple[int, str]]:
    """Yield (id of a page of this wiki, title of the page in ``language`` that it is linked with).

    Args:
        path: names the file, also in errors, and tells its compression as in :func:`read_pages`.
        raw: the opened file, as it is on disk.
        language: code of the other wiki, such as ``"en"``.
        database: the wiki whose links these should be, such as ``"swwiki"``.
        malformed: where to count rows that cannot be read, and go on behind them; None to stop at the first.

    Raises:
        BrokenDumpError: the file is cut short or damaged, or a row is malformed.
        OpticalError: it is the table of another wiki, or has no rows of this table.
    """
    wanted = language.encode()
    number, complete = 0, None
    try:
        for number, line in enumerate(decompress(path, raw), start=1):
            if line.startswith(b"--"):
                _check_database(path, line, database)
            elif insert := _INSERT.match(line):
                complete = False
                for row in _rows(path, number, line, insert.end(), malformed):
                    complete = row[4] == b";"
                    if row[2] == wanted:
                        yield int(row[1]), _unescape(row[3])
    except DAMAGE as error:
        raise BrokenDumpError(
            f"{path} is cut short or damaged after line {number} ({error}). Fetch it again, or use what is there with "
            "--skip-bad."
        ) from error
    if complete is None:
        raise OpticalError(
            f"{path} has no rows of the table langlinks. Give a file such as swwiki-latest-langlinks.sql.gz."
        )
    if not complete:
        raise BrokenDumpError(
            f"{path} is cut short: its last row does not end the statement. Fetch it again, or use what is there with "
            "--skip-bad."
        )


def _check_database(path: Path, comment: bytes, database: str) -> None:
    if (found := _DATABASE.match(comment)) and found[1].decode() != database:
        raise OpticalError(
            f"{path} holds the links of {found[1].decode()}, the foreign dump is of {database}. "
            "Give both of the same wiki."
        )


def _rows(
    path: Path, number: int, line: bytes, position: int, malformed: Counter[str] | None
) -> Iterator[re.Match[bytes]]:
    while position < len(line):
        row = _ROW.match(line, position)
        if row is not None:
            yield row
            position = row.end()
            continue
        if malformed is None:
            shown = line[position : position + _SHOWN_BYTES].decode(errors="replace")
            raise BrokenDumpError(
                f"{path}:{number}: no row (id,'language','title') at byte {position + 1}: {shown!r}. Fetch the file "
                "again, or leave the row out with --skip-bad."
            )
        malformed["langlinks: malformed row"] += 1
        following = _NEXT_ROW.search(line, position + 1)
        if following is None:
            return
        position = following.start()


def _unescape(value: bytes) -> str:
    if b"\\" in value or b"''" in value:
        value = _ESCAPE.sub(lambda escape: _CONTROL.get(escape[1], escape[1]) if escape[1] else b"'", value)
    return value.decode("utf-8", errors="replace")
