"""What an index says of itself: its format, its teacher, and what built it."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sentence_transformers import MultiVectorEncoder

from optical.encoders import fingerprint, versions
from optical.errors import OpticalError
from optical.files import replace_file

MANIFEST = "index.json"
# The manifest's name until everything is indexed that was to be.
UNFINISHED = "unfinished.json"
FORMAT = 2

_fingerprints: WeakKeyDictionary[MultiVectorEncoder, str] = WeakKeyDictionary()


def teacher_of(encoder: MultiVectorEncoder) -> str:
    """Return the fingerprint of the encoder's teacher, computed once for each encoder object."""
    if encoder not in _fingerprints:
        _fingerprints[encoder] = fingerprint(encoder)
    return _fingerprints[encoder]


def new_manifest(encoder: MultiVectorEncoder, dimension: int) -> dict[str, Any]:
    """Return the manifest of an index that is built now with ``encoder``.

    ``passages`` is how many there were when the index was last closed; None while it is being changed.
    """
    return {
        "format": FORMAT,
        "teacher": teacher_of(encoder),
        "dimension": dimension,
        "passages": None,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def write_manifest(file: Path, manifest: dict[str, Any]) -> None:
    """Write to ``file``, all or nothing."""
    with replace_file(file) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def read_manifest(file: Path) -> dict[str, Any]:
    """Return the manifest in ``file``.

    Raises:
        OpticalError: there is no index, its manifest is damaged, or another version made it.
    """
    path = file.parent
    if not path.is_dir():
        raise OpticalError(f"There is no folder {path}. Give the folder of an index, or build one there.")
    if not file.exists() and (path / UNFINISHED).exists():
        raise OpticalError(
            f"The index {path} is unfinished. Build it again with the same passages and encoder; it goes on from "
            "there."
        )
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = int(manifest["format"])
        if found == FORMAT and not isinstance(manifest["dimension"], int):
            raise ValueError(f"the dimension is {manifest['dimension']!r}")
    except FileNotFoundError as error:
        raise OpticalError(
            f"{path} is not an index (it has no index.json). Give the folder of an index."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OpticalError(
            f"{file} is damaged ({error}). Restore the index from a copy, or build it again."
        ) from error
    if found > FORMAT:
        raise OpticalError(
            f"{path} was made by a newer version of optical (format {found}; this one reads {FORMAT}). "
            "Upgrade optical."
        )
    if found < FORMAT:
        raise OpticalError(
            f"{path} was made by an older version of optical (format {found}; this one reads {FORMAT}). "
            "Remove the folder, and build it again."
        )
    return manifest
