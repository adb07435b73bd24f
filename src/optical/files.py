"""Writing to disk so that nothing half-written stays behind."""

import os
import shutil
import tempfile
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


def require_absent(target: Path) -> None:
    """Raise :class:`OpticalError` if ``target`` exists: results are never overwritten silently."""
    if target.exists():
        raise OpticalError(f"{target} exists already. Remove it, or choose another output.")


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OpticalError(f"{target.parent} is not a folder. Choose another output.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
