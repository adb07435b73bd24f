"""Stretches of lines that one state explains better than another."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Evidence = Callable[[int, int], npt.NDArray[np.float32]]
"""Rows from and to: (rows, states) log-likelihood of each row in each state, up to a constant of the row."""

_BLOCK = 8
_CHUNK = _BLOCK << 15
_PENALTY = 15.0
_SURE = 3.0


class Stretch(NamedTuple):
    """Rows ``start`` up to ``stop`` are in ``state``; it may as well begin anywhere from ``earliest`` to ``latest``."""

    start: int
    stop: int
    state: int
    earliest: int
    latest: int


def find_stretches(evidence: Evidence, rows: int) -> list[Stretch]:
    """Divide rows into stretches of one state each; state 0 is what is expected.

    The path of states with the most evidence is found by the algorithm of Viterbi over blocks of 8 rows, every change
    of state (and a beginning in another state than 0) costing 15 nats; then each change is placed on its row.
    """
    if rows == 0:
        return []
    path = _best_path(
        np.concatenate(
            [
                np.add.reduceat(chunk, np.arange(0, len(chunk), _BLOCK), axis=0)
                for chunk in (evidence(at, min(at + _CHUNK, rows)) for at in range(0, rows, _CHUNK))
            ]
        )
    )
    changes = (np.flatnonzero(path[1:] != path[:-1]) + 1).tolist()
    starts, earliest, latest = [0], [0], [0]
    for change, following in zip(changes, [*changes[1:], len(path)], strict=False):
        low = max(starts[-1] + 1, (change - 2) * _BLOCK)
        high = min(rows - 1, (change + 2) * _BLOCK, following * _BLOCK - 1)
        nearby = evidence(low, high).astype(np.float64)
        gain = nearby[:, path[change - 1]] - nearby[:, path[change]]
        total = np.concatenate(([0.0], np.cumsum(gain)))  # of a change at row low, low + 1, ...
        likely = low + np.flatnonzero(total >= total.max() - _SURE)
        starts.append(low + int(np.argmax(total)))
        earliest.append(int(likely[0]))
        latest.append(int(likely[-1]))
    states = path[[0, *changes]].tolist()
    return [
        Stretch(*stretch)
        for stretch in zip(starts, [*starts[1:], rows], states, earliest, latest, strict=True)
    ]


def _best_path(blocks: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    if _stays(blocks):
        return np.zeros(len(blocks), dtype=np.int8)
    states = np.arange(blocks.shape[1], dtype=np.int8)
    best = blocks[0] - _PENALTY * (states > 0)
    came_from = np.empty(blocks.shape, dtype=np.int8)
    for position in range(1, len(blocks)):
        winner = int(np.argmax(best))
        jump = best[winner] - _PENALTY
        came_from[position] = np.where(jump > best, winner, states)
        # Only differences count, and they would drown in a sum over millions of rows.
        best = np.maximum(best, jump) - best[winner] + blocks[position]
    path = np.empty(len(blocks), dtype=np.int8)
    path[-1] = np.argmax(best)
    for position in range(len(blocks) - 1, 0, -1):
        path[position - 1] = came_from[position, path[position]]
    return path


def _stays(blocks: npt.NDArray[np.float32]) -> bool:
    """Say whether no run of blocks is so much better in another state than 0 that it pays for one change."""
    for state in range(1, blocks.shape[1]):
        gained = np.concatenate(([0.0], np.cumsum(blocks[:, state] - blocks[:, 0], dtype=np.float64)))
        if np.max(gained - np.minimum.accumulate(gained)) > _PENALTY:
            return False
    return True
