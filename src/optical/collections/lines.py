"""What all formats share: where the file of a BEIR folder is, and its lines as text."""

from collections.abc import Iterator
from pathlib import Path

from optical.errors import OpticalError
from optical.files import decode_line, numbered_lines


def inside_beir_folder(path: Path, name: str) -> Path:
    """Return ``path`` itself, or, where it is a folder, the file ``name`` or ``name``.gz in it.

    Raises:
        OpticalError: the folder has neither.
    """
    if not path.is_dir():
        return path
    for candidate in (path / name, path / f"{name}.gz"):
        if candidate.exists():
            return candidate
    raise OpticalError(f"{path} has no {name}, so it is not a BEIR folder. Name the file itself.")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return an iterator of (line number from 1, text) over the lines that are not empty.

    That the file is there is checked at once, its content while iterating.

    Raises:
        OpticalError: as :func:`optical.files.numbered_lines`, or a line is not UTF-8.
    """
    return _decoded(path, numbered_lines(path))


def _decoded(path: Path, lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        try:
            text = decode_line(line)
        except ValueError as error:
            raise OpticalError(f"{path}:{number}: {error}. Save the file as UTF-8.") from error
        if text:
            yield number, text
