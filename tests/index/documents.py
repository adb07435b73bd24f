"""Passages with vectors, and what exact search says of them."""

from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import pytest
import torch

from optical.collections import Passage
from optical.index.engine import Document, Found

DIMENSION = 8


def vectors(seed: str, most: int = 12, dimension: int = DIMENSION) -> torch.Tensor:
    generator = torch.Generator().manual_seed(Random(seed).randrange(2**40))
    tokens = 1 + int(torch.randint(most, (1,), generator=generator))
    return torch.nn.functional.normalize(torch.randn(tokens, dimension, generator=generator), dim=1)


def document(id_: str, version: int) -> Document:
    """The passage of this id in this version; both decide text, metadata and vectors."""
    metadata = {"version": version, "even": version % 2 == 0, "digits": tuple(id_[1:])}
    return Document(Passage(id_, f"{id_} {version}", "", metadata), vectors(f"{id_} {version}"), None)


def brute_force(
    query: torch.Tensor, documents: Mapping[str, torch.Tensor], k: int
) -> list[tuple[str, float]]:
    """MaxSim in float64 of the float16 vectors; equal scores in the order of ids."""
    exact = query.half().double().numpy()
    scores = {
        id_: float((exact @ each.half().double().numpy().T).max(1).sum()) for id_, each in documents.items()
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]


def assert_same(found: Sequence[Found], expected: Sequence[tuple[str, float]]) -> None:
    assert len(found) == len(expected)
    assert [each.score for each in found] == pytest.approx([score for _, score in expected], abs=1e-5)
    # Where float32 cannot tell two scores apart, either may be first.
    for each, (id_, _), (_, before), (_, after) in zip(
        found,
        expected,
        [("", np.inf), *expected],
        [*expected[1:], ("", -np.inf)],
        strict=False,
    ):
        if before - each.score > 1e-5 and each.score - after > 1e-5:
            assert each.passage.id == id_
