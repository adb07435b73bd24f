"""What an index says of itself: its format, its teacher, and what built it."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sentence_transformers import MultiVectorEncoder

from optical.encoders import fingerprint, versions
from optical.errors import OpticalError

MANIFEST = "index.json"
FORMAT = 1

_fingerprints: WeakKeyDictionary[MultiVectorEncoder, str] = WeakKeyDictionary()


def teacher_of(encoder: MultiVectorEncoder) -> str:
    """Return the fingerprint of the encoder's teacher, computed once for each encoder object."""
    if encoder not in _fingerprints:
        _fingerprints[encoder] = fingerprint(encoder)
    return _fingerprints[encoder]


def new_manifest(encoder: MultiVectorEncoder) -> dict[str, Any]:
    """Return the manifest of an index that is built now with ``encoder``."""
    return {
        "format": FORMAT,
        "teacher": teacher_of(encoder),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the index at ``path``.

    Raises:
        OpticalError: there is no index, its manifest is damaged, or a newer version made it.
    """
    if not path.is_dir():
        raise OpticalError(f"There is no folder {path}. Give the folder of an index, or build one there.")
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        found = int(manifest["format"])
    except FileNotFoundError as error:
        raise OpticalError(
            f"{path} is not an index (it has no index.json). Give the folder of an index."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OpticalError(
            f"{path / 'index.json'} is damaged ({error}). Restore the index from a copy, or rebuild it."
        ) from error
    if found > FORMAT:
        raise OpticalError(
            f"{path} was made by a newer version of optical (format {found}; this one reads up to {FORMAT}). "
            "Upgrade optical."
        )
    return manifest
