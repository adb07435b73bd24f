"""Sentence pairs held in memory, and divided for training."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from optical.errors import OpticalError


@dataclass(frozen=True)
class Bitext:
    """Sentence pairs: ``english[i]`` and ``foreign[i]`` translate each other.

    ``dropped`` counts the pairs left out while reading, by reason; ``malformed`` holds the first 20 notes
    "file:line: what is wrong". Both are empty in the parts that :meth:`split` returns.
    """

    english: list[str]
    foreign: list[str]
    dropped: dict[str, int] = field(default_factory=dict)
    malformed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raise ValueError if the sides differ in length."""
        if len(self.english) != len(self.foreign):
            raise ValueError(f"{len(self.english)} English against {len(self.foreign)} foreign sentences")

    def __len__(self) -> int:
        """Return the number of pairs kept."""
        return len(self.english)

    def digest(self) -> str:
        """Return 32 hexadecimal digits (BLAKE2b) that name the kept pairs and their order."""
        digest = hashlib.blake2b(digest_size=16)
        for pair in zip(self.english, self.foreign, strict=True):
            for side in pair:
                encoded = side.encode()
                # The length in front keeps ("ab", "c") apart from ("a", "bc").
                digest.update(b"%d:" % len(encoded))
                digest.update(encoded)
        return digest.hexdigest()

    def split(self, held_back: int, seed: int) -> tuple["Bitext", "Bitext"]:
        """Divide into (training, development); every pair lands in exactly one, in the original order.

        No English and no foreign sentence occurs in both parts: pairs linked by a shared sentence stay
        together. Development gets ``held_back`` pairs where that is possible, and never more than a fifth
        of the whole, but at least one group of linked pairs if there are two groups; with a single group
        it is empty. The same pairs, ``held_back`` and ``seed`` give the same parts on every machine.

        Raises:
            OpticalError: ``held_back`` is negative.
        """
        if held_back < 0:
            raise OpticalError(f"{held_back} pairs cannot be held back. Give 0 or a positive number.")
        groups = self._linked_pairs()
        random.Random(seed).shuffle(groups)
        room = min(held_back, len(self) // 5)
        development: set[int] = set()
        for group in groups:
            if len(group) <= room - len(development):
                development.update(group)
        if held_back and not development and len(groups) > 1:
            smallest = min(groups, key=len)
            development.update(smallest)
        return (
            self._part([index for index in range(len(self)) if index not in development]),
            self._part(sorted(development)),
        )

    def _linked_pairs(self) -> list[list[int]]:
        """Return the connected components of the pairs, two being linked if they share a sentence."""
        parents = list(range(len(self)))

        def root(index: int) -> int:
            while parents[index] != index:
                parents[index] = parents[parents[index]]
                index = parents[index]
            return index

        for sentences in (self.english, self.foreign):
            first_use: dict[str, int] = {}
            for index, sentence in enumerate(sentences):
                parents[root(index)] = root(first_use.setdefault(sentence, index))
        groups: dict[int, list[int]] = {}
        for index in range(len(self)):
            groups.setdefault(root(index), []).append(index)
        return list(groups.values())

    def _part(self, indices: Sequence[int]) -> "Bitext":
        return Bitext([self.english[index] for index in indices], [self.foreign[index] for index in indices])
