"""An index at one place copied to another: documents and centroids as they are."""

import itertools
from collections.abc import Callable
from typing import Any

from optical.errors import OpticalError
from optical.index.centroids import Centroids
from optical.index.engine import Engine, Place
from optical.index.places import finishing
from optical.progress import count_progress

_COPIED_TOGETHER = 512


def copy_index(facts: dict[str, Any], engine: Engine, place: Place, target: Place, *, progress: bool) -> None:
    """Make at ``target`` the index of ``engine`` at ``place``, going on from an unfinished copy, and close it.

    See :meth:`optical.index.Index.copy_to`.
    """
    target.require_new()
    if not target.is_unfinished:
        target.create({**facts, "passages": None})
    with finishing(target) as (found, copy):
        for fact in ("teacher", "dimension", "compact"):
            if found[fact] != facts[fact]:
                raise OpticalError(
                    f"The unfinished index {target} is another: its {fact} is {found[fact]}, and not {facts[fact]}. "
                    "Remove it, or choose another place."
                )
        with count_progress("Copying", "passages", engine.count, shown=progress) as done:
            _copy_documents(engine, place, copy, target, done)
    copy.close()
    target.release()


def _copy_documents(
    source: Engine, source_place: Place, target: Engine, target_place: Place, done: Callable[[int], None]
) -> None:
    centroids = source_place.centroids
    # Passages that were put when there were other centroids have other marks.
    marked_alike = _same(centroids, target_place.centroids)
    if not marked_alike:
        # First, so that a copy that is stopped here again has no passages with the marks of other centroids.
        if marked := list(target.ids()):
            target.delete(marked)
        target_place.put_centroids(centroids)
    known = target.fields
    target.declare({name: kind for name, kind in source.fields.items() if name not in known})
    left_over = set(target.ids())
    documents = source.documents()
    while chunk := list(itertools.islice(documents, _COPIED_TOGETHER)):
        ids = [each.passage.id for each in chunk]
        there = target.fetch(ids) if marked_alike else {}
        target.put([each for each in chunk if there.get(each.passage.id) != each.passage])
        left_over.difference_update(ids)
        done(len(chunk))
    if left_over:
        target.delete(left_over)
    target.merge()


def _same(one: Centroids | None, other: Centroids | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.passages == other.passages and one.vectors.equal(other.vectors)
