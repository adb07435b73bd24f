"""What an index says of itself: its format, its teacher, and what built it."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

from sentence_transformers import MultiVectorEncoder

from optical.encoders import fingerprint, versions
from optical.errors import OpticalError
from optical.index.engine import IndexUnavailableError
from optical.index.lexical import LexicalVectors

FORMAT = 3

_fingerprints: WeakKeyDictionary[MultiVectorEncoder, str] = WeakKeyDictionary()


def make_facts(
    encoder: MultiVectorEncoder, dimension: int, compact: bool, mean_length: float | None
) -> dict[str, Any]:
    """Return the facts of a new index.

    Keys: ``format``, ``teacher`` (fingerprint), ``dimension``, ``compact`` (whether vectors are stored with 8 bits),
    ``mean_length`` (for BM25, of passages in words; None without lexical vectors),
    ``created`` (ISO 8601, UTC), ``versions`` (of the packages that built the index), and ``passages``: how many there
    were when an index in a folder was last flushed, None while it is being changed.
    """
    return {
        "format": FORMAT,
        "teacher": _teacher_of(encoder),
        "dimension": dimension,
        "compact": compact,
        "mean_length": mean_length,
        "passages": None,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def check_facts(facts: Mapping[str, Any], index: object, *, source: object) -> None:
    """Raise :class:`OpticalError` unless this version can use an index with these facts.

    Args:
        facts: what was read.
        index: what errors call the index.
        source: what errors call the place that the facts were read from.
    """
    try:
        found = int(facts["format"])
        if found == FORMAT:
            for name, kind in (("teacher", str), ("dimension", int), ("compact", bool)):
                if not isinstance(facts[name], kind):
                    raise ValueError(f"{name} is {facts[name]!r}")
            lexical_of(facts)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_manifest(source, error) from error
    if found > FORMAT:
        raise OpticalError(
            f"{index} was made by a newer version of optical (format {found}; this one reads {FORMAT}). "
            "Upgrade optical."
        )
    if found < FORMAT:
        raise OpticalError(
            f"{index} was made by an older version of optical (format {found}; this one reads {FORMAT}). "
            "Remove it, and build it again."
        )


def lexical_of(facts: Mapping[str, Any]) -> LexicalVectors | None:
    """Return what makes the lexical vectors of an index with these facts, if it has any."""
    mean_length = facts.get("mean_length")  # a server keeps nothing that is None
    if mean_length is None:
        return None
    if not float(mean_length) >= 1:
        raise ValueError(f"mean_length is {mean_length!r}")
    return LexicalVectors(float(mean_length))


def damaged_manifest(source: object, reason: object) -> IndexUnavailableError:
    """Return what to raise when the facts in ``source`` are not what was written there."""
    return IndexUnavailableError(
        f"{source} is damaged ({reason}). Restore the index from a copy, or build it again."
    )


def unfinished(index: object) -> OpticalError:
    """Return what to raise when an index is opened that is unfinished."""
    return OpticalError(
        f"The index {index} is unfinished. Build it again with the same passages and encoder (or give the same "
        "`optical index push` or `pull` again); it goes on from there."
    )


def require_teacher(facts: Mapping[str, Any], encoder: MultiVectorEncoder, index: object) -> None:
    """Raise :class:`OpticalError` unless ``encoder`` belongs to the teacher that built the index."""
    given, own = _teacher_of(encoder), facts["teacher"]
    if given != own:
        raise OpticalError(
            f"The index {index} was built with teacher {own}, but the encoder belongs to {given}. "
            "Search with an encoder distilled from the teacher that built this index, or rebuild."
        )


def _teacher_of(encoder: MultiVectorEncoder) -> str:
    """Return the fingerprint of the encoder's teacher, computed once for each encoder object."""
    if encoder not in _fingerprints:
        _fingerprints[encoder] = fingerprint(encoder)
    return _fingerprints[encoder]
