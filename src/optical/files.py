"""Files: written so that nothing half-written stays behind, and read line by line."""

import codecs
import functools
import glob
import gzip
import io
import lzma
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from filelock import FileLock

from optical.errors import OpticalError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError, zipfile.BadZipFile)
"""What reading a compressed or archived file raises when the file is unreadable, cut short or damaged."""

_COMPRESSIONS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    ".gz": ("gzip", gzip.open),
    ".xz": ("xz", lzma.open),
    ".zst": ("zstd", zstd.open),
}
_BUFFER = 1 << 18


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success rename it to ``target``, on failure remove it.

    What it holds is on the disk before it has the name, and the name when this returns: both survive a power failure.
    """
    _make_parent(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(target: Path) -> None:
    """Remove what processes left behind that were killed within :func:`replace_file`; none may be within it now."""
    for temporary in target.parent.glob(f".{glob.escape(target.name)}.{'?' * 8}"):  # as mkstemp names them
        with suppress(OSError):  # of a folder that can only be read
            temporary.unlink()


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
        sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names of what is in ``folder`` are on the disk, where the system can tell (not on Windows)."""
    if os.name != "nt":
        with suppress(OSError):  # some network file systems refuse
            _sync(folder)


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


def folder_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder ``target``, which ``make`` fills unless it is there, all or nothing.

    Of several processes that ask for it at the same time, one makes it and the others wait.
    """
    _make_parent(target)
    with FileLock(target.with_suffix(".lock")):
        if not target.exists():
            with create_folder(target) as folder:
                make(folder)
    return target


def require_absent(target: Path) -> None:
    """Raise :class:`OpticalError` if ``target`` exists: results are never overwritten silently."""
    if target.exists():
        raise OpticalError(f"{target} exists already. Remove it, or choose another output.")


def leads_outside(member: str) -> bool:
    """Return whether the name of an archive's member leads out of the folder it belongs to: ``../x``, ``/x``."""
    path = PurePosixPath(member.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts


class BrokenFileError(OpticalError):
    """A file that breaks off or is damaged from some line on; ``note`` says "file:line: what is wrong"."""

    def __init__(self, file: str | Path, line: int, problem: str, remedy: str) -> None:
        self.note = f"{file}:{line}: {problem}"
        super().__init__(f"{self.note}. {remedy}")


def require_file(path: Path) -> None:
    """Raise :class:`OpticalError` if ``path`` is missing or a folder."""
    if path.is_dir():
        raise OpticalError(f"{path} is a folder. Name a file.")
    if not path.exists():
        raise OpticalError(f"{path} does not exist. Check the path.")


def without_compression(name: str) -> str:
    """Return a file's name without the ending ``.gz``, ``.xz`` or ``.zst``."""
    path = Path(name)
    return path.stem if path.suffix in _COMPRESSIONS else path.name


def open_binary(path: Path) -> io.BufferedReader:
    """Open a file for reading; one whose name ends in ``.gz``, ``.xz`` or ``.zst`` is decompressed on the way.

    Opening and reading raise any of :data:`READ_ERRORS`, of which :func:`read_error` makes an OpticalError.
    """
    if path.suffix not in _COMPRESSIONS:
        return path.open("rb")
    return buffered(_COMPRESSIONS[path.suffix][1](path))


def buffered(decompressor: io.BufferedIOBase) -> io.BufferedReader:
    """Return the stream with a buffer, which finds the ends of lines several times faster than decompressors do."""
    return io.BufferedReader(_Raw(decompressor), _BUFFER)


class _Raw(io.RawIOBase):
    """A decompressor read piece by piece, so that all in front of the place where it fails arrives."""

    def __init__(self, decompressor: io.BufferedIOBase) -> None:
        self._decompressor = decompressor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._decompressor.readinto1(buffer)

    def close(self) -> None:
        self._decompressor.close()
        super().close()


def read_error(file: str | Path, line: int, error: Exception) -> OpticalError:
    """Return what to raise when reading a file, of which ``line`` lines were fine, failed with ``error``."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return OpticalError(f"{file} cannot be read ({error.strerror or error}).")
    kind = _COMPRESSIONS.get(Path(file).suffix, ("archive",))[0]
    return BrokenFileError(
        file, line + 1, f"broken {kind} from here on ({error})", "Fetch or compress the file again."
    )


def numbered_lines(path: Path, *, longest: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Return an iterator of (line number from 1, line without its end) over a file, plain or compressed.

    Lines end at LF or CR LF only, whatever else Unicode counts as a line end; a byte order mark at the
    start is removed. Of a line of more than ``longest`` bytes only a few more than that are kept. That the file is
    there is checked at once, its content while iterating.

    Raises:
        OpticalError: the file is missing, a folder, unreadable, without any line, or (as :class:`BrokenFileError`)
            broken gzip, xz or zstd.
    """
    require_file(path)
    return lines_of(functools.partial(open_binary, path), path, longest=longest)


def lines_of(
    opened: Callable[[], IO[bytes]], name: str | Path, *, longest: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield what :func:`numbered_lines` does of any stream of bytes; ``name`` is what errors call it."""
    number = 0
    # Room for a byte order mark and a line end.
    limit = -1 if longest is None else longest + 5
    try:
        with opened() as file:
            while line := file.readline(limit):
                number += 1
                if len(line) == limit and not line.endswith(b"\n"):
                    while (rest := file.readline(limit)) and not rest.endswith(b"\n"):
                        pass
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                yield number, line.rstrip(b"\r\n")
    except READ_ERRORS as error:
        raise read_error(name, number, error) from error
    if number == 0:
        raise OpticalError(f"{name} is empty. Name a file with text in it.")


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


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OpticalError(f"{target.parent} is not a folder. Choose another output.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
