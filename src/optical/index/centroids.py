"""Centroids of token vectors, by which an inverted index finds candidates for MaxSim.

The candidate stage of PLAID (Santhanam et al. 2022, arXiv 2205.09707), written as sparse vectors: a passage has a 1
for each centroid that one of its tokens is nearest to; a query has, for the nearest centroids of each of its tokens,
how much nearer they are than the next. Their dot product then estimates MaxSim.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from optical.errors import OpticalError
from optical.files import replace_file

ITERATIONS = 8
# Tokens to train on for each centroid: k-means gains nothing from more (checked: 32 to 256 are alike).
SAMPLE = 64
NEAREST = 16
_BLOCK = 8192


class Sparse(NamedTuple):
    """A sparse vector."""

    indices: list[int]
    values: list[float]


class Centroids:
    """Centroids, float32 (number, dimension) of unit norm, trained when there were ``passages`` passages."""

    def __init__(self, vectors: torch.Tensor, passages: int) -> None:
        self.vectors = vectors
        self.passages = passages

    @classmethod
    def train(cls, tokens: torch.Tensor, number: int, passages: int) -> "Centroids":
        """Find ``number`` centroids of ``tokens``, a sample (tokens, dimension), by spherical k-means.

        The same tokens give the same centroids. Fewer tokens than ``number`` give as many centroids as tokens.
        """
        generator = torch.Generator().manual_seed(0)
        tokens = tokens.float()
        number = min(number, len(tokens))
        vectors = tokens[torch.randperm(len(tokens), generator=generator)[:number]].clone()
        for _ in range(ITERATIONS):
            nearest = _nearest(tokens, vectors)
            sums = torch.zeros_like(vectors).index_add_(0, nearest, tokens)
            empty = torch.bincount(nearest, minlength=number) == 0
            sums[empty] = tokens[torch.randint(len(tokens), (int(empty.sum()),), generator=generator)]
            vectors = torch.nn.functional.normalize(sums, dim=1)
        return cls(vectors, passages)

    @classmethod
    def load(cls, path: Path) -> "Centroids":
        """Read what :meth:`save` wrote.

        Raises:
            OpticalError: the file is damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                return cls(file.get_tensor("centroids"), int(file.metadata()["passages"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise OpticalError(
                f"{path} is damaged ({error}). Remove it, and run `optical index optimise` on the folder."
            ) from error

    def save(self, path: Path) -> None:
        """Write to a safetensors file."""
        with replace_file(path) as temporary:
            save_file({"centroids": self.vectors}, temporary, {"passages": str(self.passages)})

    def of_passages(self, passages: Sequence[torch.Tensor]) -> list[Sparse]:
        """Return the sparse vector of each passage, given as (tokens, dimension)."""
        nearest = _nearest(torch.cat(list(passages)).float(), self.vectors)
        unique = [
            torch.unique(each).tolist() for each in torch.split(nearest, [len(each) for each in passages])
        ]
        return [Sparse(each, [1.0] * len(each)) for each in unique]

    def of_query(self, query: torch.Tensor) -> Sparse:
        """Return the sparse vector of a query (tokens, dimension)."""
        similarities = query.float() @ self.vectors.T
        best, nearest = similarities.topk(min(NEAREST + 1, len(self.vectors)), dim=1)
        weights = torch.zeros(len(self.vectors))
        weights.index_add_(0, nearest.flatten(), (best - best[:, -1:]).flatten())
        indices = weights.nonzero().flatten()
        return Sparse(indices.tolist(), weights[indices].tolist())


def number_of_centroids(tokens: int) -> int:
    """About 4 times the square root of the number of token vectors, as a power of two."""
    return int(2 ** math.floor(math.log2(max(4 * math.sqrt(tokens), 1))))


def _nearest(tokens: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    return torch.cat([(block @ centroids.T).argmax(dim=1) for block in torch.split(tokens, _BLOCK)])
