"""Files: written so that nothing half-written stays behind, and read line by line."""

import codecs
import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optical.errors import OpticalError


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success rename it to ``target``, on failure remove it."""
    _make_parent(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def create_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``target``; on success rename it to ``target``, on failure remove it.

    Raises:
        OpticalError: ``target`` exists already (checked on entry, so that no work is lost at the end).
    """
    require_absent(target)
    _make_parent(target)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder to ``target``, which must not exist, leaving the holes in sparse files where they are."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            _copy_file(path, copy)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        size = source.stat().st_size
        writer.truncate(size)
        position = 0
        while position < size:
            try:
                position = os.lseek(reader.fileno(), position, os.SEEK_DATA)
            except OSError:  # no more data
                return
            end = os.lseek(reader.fileno(), position, os.SEEK_HOLE)
            reader.seek(position)
            writer.seek(position)
            while position < end:
                position += writer.write(reader.read(min(2**20, end - position)))


def require_absent(target: Path) -> None:
    """Raise :class:`OpticalError` if ``target`` exists: results are never overwritten silently."""
    if target.exists():
        raise OpticalError(f"{target} exists already. Remove it, or choose another output.")


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Return an iterator of (line number from 1, line without its end) over a plain or ``.gz`` file.

    Lines end at LF or CR LF only, whatever else Unicode counts as a line end; a byte order mark at the
    start is removed. That the file is there is checked at once, its content while iterating.

    Raises:
        OpticalError: the file is missing, a folder, unreadable, a broken gzip or without any line.
    """
    if path.is_dir():
        raise OpticalError(f"{path} is a folder. Name a file.")
    if not path.exists():
        raise OpticalError(f"{path} does not exist. Check the path.")
    return _numbered_lines(path)


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).rstrip(b"\r\n")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise OpticalError(
            f"{path} is broken gzip after line {number} ({error}). Fetch or compress it again."
        ) from error
    except OSError as error:
        raise OpticalError(f"{path} cannot be read ({error.strerror or error}).") from error
    if number == 0:
        raise OpticalError(f"{path} is empty. Name a file with text in it.")


def decode_line(line: bytes) -> str:
    """Return ``line`` as text.

    Raises:
        ValueError: it is not UTF-8, or has a NUL character as UTF-16 files do; the message says which.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from error
    if "\0" in text:
        raise ValueError("a NUL character, perhaps because the text is UTF-16")
    return text


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OpticalError(f"{target.parent} is not a folder. Choose another output.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
