"""An index at one place copied to another: documents and centroids as they are."""

import itertools
from collections.abc import Callable
from typing import Any

from optical.errors import OpticalError
from optical.index.centroids import Centroids
from optical.index.engine import Engine, Place
from optical.index.places import making
from optical.progress import count_progress

_COPIED_TOGETHER = 512


def copy_index(facts: dict[str, Any], engine: Engine, place: Place, target: Place, *, progress: bool) -> None:
    """Make at ``target`` the index of ``engine`` at ``place``, going on from an unfinished copy, and close it.

    See :meth:`optical.index.Index.copy_to`.
    """
    with making(target, lambda: {**facts, "passages": None}) as (found, copy):
        for fact in ("teacher", "dimension", "compact", "mean_length"):
            before, now = found.get(fact), facts.get(fact)
            if before != now:
                raise OpticalError(
                    f"The unfinished index {target} is another: its {fact} is {before}, and not {now}. "
                    "Remove it, or choose another place."
                )
        with count_progress("Copying", "passages", engine.count, shown=progress) as done:
            _copy_documents(engine, place, copy, target, done)
    copy.close()
    target.close()


def _copy_documents(
    source: Engine, source_place: Place, target: Engine, target_place: Place, done: Callable[[int], None]
) -> None:
    centroids = source_place.centroids
    left_over = set(target.ids())
    if not _same(centroids, target_place.centroids):
        # Passages that were put when there were other centroids have other marks. They go first, so that a copy that
        # is stopped here again has none of them.
        if left_over:
            target.delete(left_over)
            left_over.clear()
        target_place.put_centroids(centroids)
    known = target.fields
    target.declare({name: kind for name, kind in source.fields.items() if name not in known})
    documents = source.documents()
    while chunk := list(itertools.islice(documents, _COPIED_TOGETHER)):
        ids = [each.passage.id for each in chunk]
        there = target.fetch([id_ for id_ in ids if id_ in left_over])
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
