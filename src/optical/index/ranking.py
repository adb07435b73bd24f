"""Results in an order that does not depend on how an engine orders equal scores."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from optical.errors import OpticalError
from optical.index.engine import Found
from optical.index.payload import passage_of, words_of

# Results beyond k, so that most ties at k are seen at once.
_SPARE = 8


def best(
    largest: Sequence[float],
    k: int,
    ask: Callable[[Sequence[int], int], Sequence[Sequence[Any]]],
    damaged: Callable[[str], OpticalError],
) -> list[list[Found]]:
    """Return the best ``k`` passages of each query, those with equal scores in the order of ids.

    Args:
        largest: the greatest score that each query can have.
        k: at least 1.
        ask: returns, for the queries at the given positions, up to so many of the best points, best first.
        damaged: makes the error for a score that no stored passage can have.
    """
    results: dict[int, list[Found]] = {}
    limit = k + _SPARE
    while len(results) < len(largest):
        waiting = [position for position in range(len(largest)) if position not in results]
        for position, points in zip(waiting, ask(waiting, limit), strict=True):
            # If the last is as good as the k-th, others of the same score may have been cut off.
            if len(points) < limit or points[-1].score < points[k - 1].score:
                results[position] = _ranked(points, largest[position], damaged)[:k]
        limit *= 2
    return [results[position] for position in range(len(largest))]


def largest_maxsim(query: torch.Tensor) -> float:
    """Return what no MaxSim of a query (tokens, dimension) exceeds, whatever rounding does to stored vectors."""
    return 1.03 * float(torch.linalg.vector_norm(query, dim=1).sum())


def _ranked(points: Sequence[Any], most: float, damaged: Callable[[str], OpticalError]) -> list[Found]:
    for each in points:
        if not math.isfinite(each.score) or abs(each.score) > most:
            raise damaged(f"passage {each.payload['id']!r} scores {each.score}")
    found = [Found(passage_of(each.payload), float(each.score), words_of(each)) for each in points]
    return sorted(found, key=lambda each: (-each.score, each.passage.id))
