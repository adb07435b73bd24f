"""What a search answers, and why it may not."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from optical.collections import reciprocal_rank_fusion
from optical.errors import OpticalError
from optical.explanation import Explanation
from optical.index import Hit
from optical.serving.languages import Decision


class RefusedError(OpticalError):
    """A request that its sender can mend."""


class UnreadableError(RefusedError):
    """A query that an encoder cannot read, though another may."""


class UnavailableError(OpticalError):
    """The index cannot be reached now."""


@dataclass(frozen=True)
class Found:
    """A passage: ``hit``, the ``language`` whose encoder found it, and why, if that was asked for.

    If two languages were searched, or by words, too, the score of the hit is that of
    :func:`optical.collections.reciprocal_rank_fusion`.
    """

    hit: Hit
    language: str
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Answer:
    """What a search found, best first, in what languages it searched, and in which of them by words, too."""

    decision: Decision
    found: list[Found]
    hybrid: tuple[str, ...] = ()


def fused(lists: Mapping[str, list[Hit]], k: int) -> list[Found]:
    """Return the best ``k`` of the hits by language; those of several by reciprocal rank fusion."""
    if len(lists) == 1:
        return [Found(hit, language) for language, hits in lists.items() for hit in hits]
    best: dict[str, Found] = {}
    for language, hits in lists.items():
        for hit in hits:
            if hit.id not in best or hit.rank < best[hit.id].hit.rank:
                best[hit.id] = Found(hit, language)
    scores = reciprocal_rank_fusion([hit.id for hit in hits] for hits in lists.values())
    return [
        dataclasses.replace(best[id_], hit=dataclasses.replace(best[id_].hit, score=score, rank=rank))
        for rank, (id_, score) in enumerate(itertools.islice(scores.items(), k), start=1)
    ]
