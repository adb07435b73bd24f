"""Zip archives, of which nothing is ever unpacked to disk."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from optical.errors import OpticalError
from optical.files import READ_ERRORS, buffered, leads_outside, read_error, require_file


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises:
        OpticalError: the file is missing, a folder, no zip or one cut short; it is encrypted, or a member's name
            leads out of the archive (``../x``, ``/x``).
    """
    require_file(path)
    try:
        archive = zipfile.ZipFile(path)
    except READ_ERRORS as error:
        raise read_error(path, 0, error) from error
    for member in archive.infolist():
        if leads_outside(member.filename):
            archive.close()
            raise OpticalError(
                f"{path} has a member {member.filename!r}, whose name leads out of the archive. Do not trust this file."
            )
        if member.flag_bits & 1:
            archive.close()
            raise OpticalError(f"{path} is encrypted. Unpack it first.")
    return archive


def member_opener(archive: zipfile.ZipFile, member: str) -> Callable[[], IO[bytes]]:
    """Return a function that opens a member for reading, decompressed if it is a ``.gz`` itself."""

    def opened() -> IO[bytes]:
        stream = archive.open(member)
        return buffered(
            gzip.GzipFile(fileobj=stream) if member.endswith(".gz") else cast(io.BufferedIOBase, stream)
        )

    return opened
