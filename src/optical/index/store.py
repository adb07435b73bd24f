"""The passages' ids and texts: one SQLite file, read by random access."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from optical.collections import Passage
from optical.errors import OpticalError

_SCHEMA = """
CREATE TABLE passages (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    live INTEGER NOT NULL DEFAULT 1);
CREATE UNIQUE INDEX live_ids ON passages (id) WHERE live;
CREATE TABLE unsettled (serial INTEGER PRIMARY KEY);
"""
_MOST_PARAMETERS = 900


class PassageStore:
    """Passages under serial numbers, which are the ids that an engine knows.

    A serial's text never changes: a replaced passage gets a new serial, and the old one stays until
    :meth:`settle`. So whichever serials the engine holds after a crash have the text they were encoded from.
    Order of a durable change: :meth:`commit`, the engine's flush, :meth:`settle`; after a crash in between,
    :meth:`recover` asks the engine what holds.

    Every method may raise :class:`sqlite3.Error` (full disk, damaged file).
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        """Open the file at ``path``, or make it."""
        self._folder = path.parent
        self._outermost = False
        self._connection = _connect(path, "rwc" if new else "rw", timeout=5)
        self._lock = _Lock(path.with_name("lock.sqlite"))
        if new:
            self._connection.executescript(_SCHEMA)
        self._known_version = self._version()

    @property
    def count(self) -> int:
        """Number of passages."""
        return int(self._connection.execute("SELECT count(*) FROM passages WHERE live").fetchone()[0])

    @property
    def changed(self) -> bool:
        """Whether there are changes since the last :meth:`commit`."""
        return self._connection.in_transaction

    @property
    def settling(self) -> bool:
        """Whether a change is between :meth:`commit` and :meth:`settle`, in whatever process."""
        return self._connection.execute("SELECT 1 FROM unsettled LIMIT 1").fetchone() is not None

    def mark(self) -> None:
        """Begin a change, which :meth:`keep` or :meth:`revert` ends.

        Raises:
            OpticalError: another process is changing the index, or has since it was opened.
        """
        self._outermost = not self.changed
        if self._outermost:
            if not self._lock.take():
                raise OpticalError(
                    f"{self._folder} is being changed by another process. Repeat when it is done."
                )
            if self._version() != self._known_version:
                self._lock.release()
                raise OpticalError(
                    f"{self._folder} was changed by another process meanwhile. Open it again, and repeat."
                )
            self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("SAVEPOINT change")

    def keep(self) -> None:
        """End a change that succeeded; it is lost unless :meth:`commit` follows."""
        self._connection.execute("RELEASE change")

    def revert(self) -> None:
        """Undo everything since :meth:`mark`."""
        if self._outermost:
            self._connection.execute("ROLLBACK")
            self._lock.release()
        else:
            self._connection.execute("ROLLBACK TO change")
            self.keep()

    def put(self, passages: Sequence[Passage]) -> tuple[list[int], list[int]]:
        """Store passages; return their new serials and the serials of those that they replace."""
        replaced = list(self._serials([passage.id for passage in passages]).values())
        self._retire(replaced)
        serials = []
        for passage in passages:
            cursor = self._connection.execute(
                "INSERT INTO passages (id, title, text) VALUES (?, ?, ?)",
                (passage.id, passage.title, passage.text),
            )
            serials.append(int(cursor.lastrowid or 0))
        self._unsettle(serials)
        return serials, replaced

    def remove(self, ids: Iterable[str]) -> list[int]:
        """Remove passages; return their serials.

        Raises:
            OpticalError: an id is unknown; nothing was removed.
        """
        wanted = list(dict.fromkeys(ids))
        found = self._serials(wanted)
        for id_ in wanted:
            if id_ not in found:
                raise OpticalError(f"The index holds no passage {id_!r} to delete. Give ids that were added.")
        self._retire(list(found.values()))
        return list(found.values())

    def fetch(self, serials: Iterable[int]) -> dict[int, Passage]:
        """Return the passages under ``serials``."""
        rows = self._select("SELECT serial, id, text, title FROM passages WHERE serial", list(set(serials)))
        return {serial: Passage(*rest) for serial, *rest in rows}

    def commit(self) -> None:
        """Make the texts durable, old and new."""
        self._connection.execute("COMMIT")

    def settle(self) -> None:
        """Drop the texts that the last :meth:`commit` made superfluous, and let other processes change."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(
            "DELETE FROM passages WHERE NOT live AND serial IN (SELECT serial FROM unsettled)"
        )
        self._connection.execute("DELETE FROM unsettled")
        self._connection.execute("COMMIT")
        self._lock.release()

    def recover(self, contains: Callable[[list[int]], list[bool]]) -> None:
        """Settle a change that was cut short between :meth:`commit` and :meth:`settle`, if there is one.

        Args:
            contains: tells for serials whether the engine, freshly opened, holds them.
        """
        if not self.settling or not self._lock.take():
            return
        try:
            serials = [serial for (serial,) in self._connection.execute("SELECT serial FROM unsettled")]
            if serials:
                states = [(held, serial) for serial, held in zip(serials, contains(serials), strict=True)]
                self._connection.execute("BEGIN IMMEDIATE")
                # Dead before live: an id may be live only once.
                self._connection.executemany("UPDATE passages SET live = ? WHERE serial = ?", sorted(states))
                self._connection.execute("COMMIT")
                self.settle()
        finally:
            self._lock.release()

    def close(self) -> None:
        """Release the file; changes that were not committed are lost."""
        self._connection.close()
        self._lock.close()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _serials(self, ids: list[str]) -> dict[str, int]:
        return dict(self._select("SELECT id, serial FROM passages WHERE live AND id", ids))

    def _retire(self, serials: list[int]) -> None:
        each = [(serial,) for serial in serials]
        self._connection.executemany("UPDATE passages SET live = 0 WHERE serial = ?", each)
        self._unsettle(serials)

    def _unsettle(self, serials: list[int]) -> None:
        each = [(serial,) for serial in serials]
        self._connection.executemany("INSERT OR IGNORE INTO unsettled VALUES (?)", each)

    def _select(self, start: str, values: list[str] | list[int]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for first in range(0, len(values), _MOST_PARAMETERS):
            chunk = values[first : first + _MOST_PARAMETERS]
            rows += self._connection.execute(f"{start} IN ({','.join('?' * len(chunk))})", chunk).fetchall()
        return rows


class _Lock:
    """Held by the process that changes the index; the operating system frees it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._connection = _connect(path, "rwc", timeout=0)

    def take(self) -> bool:
        """Return False if another process (or another index object) holds it."""
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise
        return True

    def release(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


def _connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=timeout)
