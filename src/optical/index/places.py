"""Where indexes live: what their paths and addresses mean, and how one comes to be there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optical.errors import OpticalError
from optical.index.engine import Engine, Place
from optical.index.folder import FolderPlace
from optical.packages import require_package


def place_of(path: str | Path) -> Place:
    """Return the place of the index at a path or address; nothing is opened.

    Raises:
        OpticalError: it is an address that is malformed, or qdrant-client is not installed.
    """
    if "://" not in str(path):
        return FolderPlace(Path(path))

    require_package("qdrant_client", extra="cluster")

    from optical.index.cluster import ClusterPlace

    return ClusterPlace(str(path))


@contextmanager
def closed_on_failure(place: Place) -> Iterator[None]:
    """Close ``place`` if what is done with it fails."""
    try:
        yield
    except BaseException:
        place.close()
        raise


@contextmanager
def making(place: Place, new_facts: Callable[[], dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Engine]]:
    """Yield facts and engine of the unfinished index at ``place``, which is finished, and stays open, on success.

    Where there is none, one is made with ``new_facts()``. On failure it is closed, and left unfinished, or removed if
    it was made here and has no passages that a rerun could go on from.
    """
    with closed_on_failure(place):
        place.require_new()
        # Another may have made it, and be about to fill it.
        is_ours = not place.is_unfinished
        if is_ours:
            place.create(new_facts())
        facts, engine = place.open(finished=False)
        try:
            place.begin_change()
            yield facts, engine
            engine.flush()
            place.end_change(engine)
            place.finish()
        except BaseException:
            useless = is_ours and _is_empty(engine)
            engine.close()
            if useless:
                with suppress(OpticalError):  # what went wrong before is to be told
                    place.remove()
            raise


def _is_empty(engine: Engine) -> bool:
    try:
        return engine.count == 0
    except OpticalError:  # what went wrong before may go on
        return False
