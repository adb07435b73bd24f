"""Centroids of token vectors, by which an inverted index finds candidates for MaxSim.

The candidate stage of PLAID (Santhanam et al. 2022, arXiv 2205.09707), written as sparse vectors. A passage has a 1 for
each centroid that one of its tokens is nearest to, and a query the weight of a centroid c,

    w(c) = sum over its tokens q of max(0, q . c - floor(q)),

where floor(q) is the similarity of the centroid that comes next after the nearest ones of q, of which there are the
square root of their number. The dot product of the two stands for MaxSim less a sum that is the same for all passages.
It sums over all centroids of a passage where MaxSim takes the best, and so favours long passages a little.

There are as many centroids as PLAID has, too many to compare each token with all. They come in groups, as many as
there are in a group: training finds first the groups and then the centroids of each (hierarchical k-means, Nister and
Stewenius 2006). Only the centroids are kept: to mark passages, groups are found again by k-means of the centroids, and
a token is compared with the centroids of the ``PROBED`` groups whose middles are nearest to it.
"""

import math
from collections.abc import Sequence
from functools import cached_property
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
# Groups whose centroids a token is compared with.
PROBED = 4
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
        """Find ``number`` centroids of ``tokens``, a sample (tokens, dimension), by hierarchical spherical k-means.

        The same tokens give the same centroids. Fewer tokens than ``number`` give as many centroids as tokens. Equal
        centroids are kept once, as many of them would be all that a query looks at.
        """
        generator = torch.Generator().manual_seed(0)
        number = min(number, len(tokens))
        groups = math.isqrt(number)
        some = torch.randperm(len(tokens), generator=generator)[: SAMPLE * groups]
        middles = _k_means(tokens[some].float(), groups, generator)
        group = _nearest(tokens, middles).indices
        sizes = torch.bincount(group, minlength=groups)
        # Each group has its share of the centroids, and all shares together are their number.
        shares = (sizes.cumsum(0) * number // len(tokens)).diff(prepend=torch.zeros(1, dtype=torch.long))
        vectors = [
            _k_means(tokens[group == place].float(), share, generator)
            for place, share in enumerate(shares.tolist())
            if share
        ]
        return cls(torch.unique(torch.cat(vectors), dim=0), passages)

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
        nearest = self._nearest(torch.cat(list(passages)).float())
        unique = [
            torch.unique(each).tolist() for each in torch.split(nearest, [len(each) for each in passages])
        ]
        return [Sparse(each, [1.0] * len(each)) for each in unique]

    def of_query(self, query: torch.Tensor) -> Sparse:
        """Return the sparse vector of a query (tokens, dimension)."""
        number = len(self.vectors)
        similarities = query.float() @ self.vectors.T
        best, nearest = similarities.topk(min(math.isqrt(number) + 1, number), dim=1)
        weights = torch.zeros(number)
        weights.index_add_(0, nearest.flatten(), (best - best[:, -1:]).flatten())
        indices = weights.nonzero().flatten()
        return Sparse(indices.tolist(), weights[indices].tolist())

    @cached_property
    def _groups(self) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The middles of groups of centroids, and the places of the centroids of each group."""
        generator = torch.Generator().manual_seed(0)
        middles = _k_means(self.vectors, math.isqrt(len(self.vectors)), generator)
        group = _nearest(self.vectors, middles).indices
        members = [(group == place).nonzero().flatten() for place in range(len(middles))]
        filled = [place for place, each in enumerate(members) if len(each)]
        return middles[filled], [members[place] for place in filled]

    def _nearest(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the place of the nearest centroid for each of ``tokens``, of those in the nearest groups."""
        middles, members = self._groups
        probed = (tokens @ middles.T).topk(min(PROBED, len(middles)), dim=1).indices
        best = torch.full((len(tokens),), -math.inf)
        nearest = torch.zeros(len(tokens), dtype=torch.long)
        for group, places in enumerate(members):
            rows = (probed == group).any(dim=1).nonzero().flatten()
            similarities, found = _nearest(tokens[rows], self.vectors[places])
            better = similarities > best[rows]
            best[rows[better]] = similarities[better]
            nearest[rows[better]] = places[found[better]]
        return nearest


def number_of_centroids(tokens: int) -> int:
    """About 16 times the square root of the number of token vectors, as a power of two, like PLAID."""
    return int(2 ** math.floor(math.log2(max(16 * math.sqrt(tokens), 1))))


class _Nearest(NamedTuple):
    similarities: torch.Tensor
    indices: torch.Tensor


def _nearest(tokens: torch.Tensor, centroids: torch.Tensor) -> _Nearest:
    found = [(block.float() @ centroids.T).max(dim=1) for block in torch.split(tokens, _BLOCK)]
    return _Nearest(torch.cat([each.values for each in found]), torch.cat([each.indices for each in found]))


def _k_means(tokens: torch.Tensor, number: int, generator: torch.Generator) -> torch.Tensor:
    """Return ``number`` centroids of at least as many tokens, by spherical k-means."""
    vectors = tokens[torch.randperm(len(tokens), generator=generator)[:number]].clone()
    for _ in range(ITERATIONS):
        nearest = _nearest(tokens, vectors).indices
        sums = torch.zeros_like(vectors).index_add_(0, nearest, tokens)
        empty = torch.bincount(nearest, minlength=number) == 0
        sums[empty] = tokens[torch.randint(len(tokens), (int(empty.sum()),), generator=generator)]
        vectors = torch.nn.functional.normalize(sums, dim=1)
    return vectors
