"""Encoders that come with the package."""

import hashlib
from pathlib import Path

from optical.errors import OpticalError

TINY_EN = "optical-tiny-en"
"""A small English late-interaction encoder, the default teacher."""

CHECKSUMS_FILE = "SHA256SUMS"
_FOLDERS = {TINY_EN: Path(__file__).parent / "tiny_en"}


def bundled_folder(name: str) -> Path | None:
    """Return the folder of a bundled encoder; None if none has that name.

    Raises:
        OpticalError: a file of it is missing, or is not what was shipped.
    """
    folder = _FOLDERS.get(name)
    if folder is not None:
        verify(folder, name)
    return folder


def verify(folder: Path, name: str) -> None:
    """Raise :class:`OpticalError` unless all files in ``folder`` have the checksums in its ``SHA256SUMS``."""
    sums = folder / CHECKSUMS_FILE
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines or [f"- {CHECKSUMS_FILE}"]:
        expected, _, file = line.partition(" ")
        path = folder / file.strip()
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise OpticalError(
                f"{path}, a part of the bundled encoder {name}, is missing or damaged. Install the package again."
            )


def write_checksums(folder: Path) -> None:
    """Write ``SHA256SUMS``, as the program sha256sum reads it, of all files in ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS_FILE)
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    ]
    (folder / CHECKSUMS_FILE).write_text("".join(lines), encoding="utf-8")
