"""How a collection is built, and which split a query is in."""

import hashlib
from dataclasses import dataclass

from optical.errors import OpticalError

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Options:
    """How a collection is built.

    Args:
        sentences: how many sentences of a foreign article its query is made of.
        passage_words: the most words of an English article that its passage has; Sasaki et al. take 200.
        dev: share of the queries that is in the split dev.
        test: likewise; the rest is train.
        seed: another one splits otherwise.
        skip_bad: whether to use what can be read of a file that is cut short or damaged.

    Raises:
        OpticalError: a number is out of range.
    """

    sentences: int = 1
    passage_words: int = 200
    dev: float = 0.05
    test: float = 0.05
    seed: int = 0
    skip_bad: bool = False

    def __post_init__(self) -> None:
        for name in ("sentences", "passage_words"):
            if getattr(self, name) < 1:
                raise OpticalError(f"{name} is {getattr(self, name)}. It must be at least 1.")
        if not (self.dev >= 0 and self.test >= 0 and self.dev + self.test <= 1):
            raise OpticalError(
                f"The shares dev {self.dev} and test {self.test} do not fit. Give two from 0 to 1 with a sum up to 1."
            )

    def split(self, key: int) -> str:
        """Return the split of the queries whose English article has this :func:`~.titles.title_key`."""
        digest = hashlib.blake2b(f"{self.seed}:{key}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "little") / 2**64
        if place < self.test:
            return "test"
        return "dev" if place < self.test + self.dev else "train"
