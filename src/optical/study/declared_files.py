"""From the patterns in the configuration of a study to the files that are there."""

from collections.abc import Sequence
from pathlib import Path

from optical.errors import OpticalError
from optical.study.names import nearest


def declared_file(data: Path, pattern: str) -> Path:
    """Return the one file that a pattern relative to ``data`` names.

    Raises:
        OpticalError: as :func:`declared_files`, or it names several.
    """
    files = declared_files(data, [pattern])
    if len(files) > 1:
        raise OpticalError(f"{data / pattern} names {len(files)} files. Name one.")
    return files[0]


def declared_files(data: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files that patterns relative to ``data`` name.

    Raises:
        OpticalError: one is absolute, is no pattern, or names no file; the nearest name that is there is suggested.
    """
    found: list[Path] = []
    for pattern in patterns:
        require_relative(pattern)
        try:
            files = sorted(file for file in data.glob(pattern) if file.is_file())
        except ValueError as error:
            raise OpticalError(f"{pattern!r} is no pattern of files ({error}). Mend it.") from error
        if not files:
            raise missing(data / pattern)
        found += files
    return found


def require_relative(pattern: str) -> None:
    """Raise :class:`OpticalError` if a pattern is not relative to the data folder."""
    if Path(pattern).is_absolute():
        raise OpticalError(f"{pattern} is absolute. Name files relative to --data.")


def missing(path: Path) -> OpticalError:
    """Return the error to raise for a declared file or folder that is not there."""
    names = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
    return OpticalError(f"{path} does not exist. {nearest(path.name, names)} Check the path, and --data.")
