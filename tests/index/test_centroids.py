"""Centroids: how they are trained, which is nearest to a token, and whether they find what MaxSim ranks first."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.index.centroids import Centroids, number_of_centroids


def unit(number: int, dimension: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(number, dimension, generator=generator), dim=1)


def clustered(number: int, centres: torch.Tensor, noise: float, seed: int) -> torch.Tensor:
    """Vectors near some of ``centres``, the first of which are the most frequent, as words are."""
    generator = torch.Generator().manual_seed(seed)
    frequencies = 1 / torch.arange(1, len(centres) + 1)
    chosen = torch.multinomial(frequencies, number, replacement=True, generator=generator)
    scattered = (
        torch.randn(number, centres.shape[1], generator=generator) * noise / math.sqrt(centres.shape[1])
    )
    return torch.nn.functional.normalize(centres[chosen] + scattered, dim=1)


@pytest.fixture(scope="module")
def passages() -> list[torch.Tensor]:
    return list(clustered(16_000, unit(3000, 32, 1), 0.6, 2).split(20))


@pytest.fixture(scope="module")
def centroids(passages: list[torch.Tensor]) -> Centroids:
    return Centroids.train(torch.cat(passages), 1024, len(passages))


@settings(deadline=None, max_examples=25)
@given(
    tokens=st.integers(1, 300),
    distinct=st.integers(1, 300),
    number=st.integers(1, 400),
    seed=st.integers(0, 1000),
)
def test_any_tokens_give_distinct_centroids_no_more_than_asked_for_or_than_there_are_tokens(
    tokens: int, distinct: int, number: int, seed: int
) -> None:
    sample = unit(distinct, 6, seed).repeat(tokens, 1)[:tokens].half()
    centroids = Centroids.train(sample, number, 7)
    assert 1 <= len(centroids.vectors) <= min(number, tokens)
    assert len(centroids.vectors.unique(dim=0)) == len(centroids.vectors)
    assert torch.allclose(centroids.vectors.norm(dim=1), torch.ones(len(centroids.vectors)))
    assert centroids.passages == 7
    assert torch.equal(Centroids.train(sample, number, 7).vectors, centroids.vectors)
    # Marks are distinct centroids, at least one, at most as many as the passage has vectors.
    for passage, mark in zip(sample.split(9), centroids.of_passages(sample.split(9)), strict=True):
        assert mark.indices == sorted(set(mark.indices))
        assert 1 <= len(mark.indices) <= len(passage)
        assert set(mark.indices) <= set(range(len(centroids.vectors)))
        assert mark.values == [1.0] * len(mark.indices)


def test_centroids_are_spread_as_the_tokens_are(passages: list[torch.Tensor], centroids: Centroids) -> None:
    tokens = torch.cat(passages)
    nearest = (tokens @ centroids.vectors.T).max(dim=1)
    some = tokens[torch.randperm(len(tokens), generator=torch.Generator().manual_seed(3))[:1024]]
    # Means are nearer to all than as many of the tokens are.
    assert nearest.values.mean() > (tokens @ some.T).max(dim=1).values.mean() + 0.02
    used = torch.bincount(nearest.indices, minlength=1024)
    assert (used > 0).float().mean() > 0.95
    assert used.max() < 0.05 * len(tokens)


def test_nearly_all_tokens_are_marked_by_the_nearest_of_all(
    passages: list[torch.Tensor], centroids: Centroids
) -> None:
    marks = centroids.of_passages([token[None] for token in torch.cat(passages[:200])])
    found = torch.tensor([index for mark in marks for index in mark.indices])
    similarities = torch.cat(passages[:200]) @ centroids.vectors.T
    best = similarities.max(dim=1)
    assert len(found) == len(similarities)
    assert (found == best.indices).float().mean() > 0.85
    assert (best.values - similarities.gather(1, found[:, None])[:, 0]).mean() < 0.02


def test_a_mark_does_not_depend_on_the_passages_beside(
    passages: list[torch.Tensor], centroids: Centroids
) -> None:
    together = centroids.of_passages(passages[:30])
    assert [centroids.of_passages([each])[0] for each in passages[:30]] == together
    # Nor on whether they were trained here or read.
    assert Centroids(centroids.vectors.clone(), 0).of_passages(passages[:30]) == together


@pytest.mark.parametrize("number", [1, 2, 3, 16, 500])
def test_a_query_weighs_what_is_nearer_than_the_next_after_the_nearest(number: int) -> None:
    vectors, query = unit(number, 16, 4), unit(5, 16, 5)
    expected = [0.0] * number
    for token in query.double():
        similarities = (vectors.double() @ token).tolist()
        floor = sorted(similarities, reverse=True)[: math.isqrt(number) + 1][-1]
        for place, similarity in enumerate(similarities):
            expected[place] += max(0.0, similarity - floor)
    sparse = Centroids(vectors, 1).of_query(query)
    weights = [0.0] * number
    for index, value in zip(*sparse, strict=True):
        assert value > 0
        weights[index] = value
    assert weights == pytest.approx(expected, abs=1e-6)


def test_among_a_quarter_as_candidates_are_nearly_all_of_the_best(
    passages: list[torch.Tensor], centroids: Centroids
) -> None:
    marks = torch.zeros(len(passages), 1024)
    for row, mark in enumerate(centroids.of_passages(passages)):
        marks[row, mark.indices] = 1.0
    shares, first = [], 0
    for seed, number in enumerate(range(0, 800, 20)):
        # A query is part of a passage, with noise, as a question is of its answer.
        noise = torch.randn(8, 32, generator=torch.Generator().manual_seed(seed)) * 0.3 / math.sqrt(32)
        query = torch.nn.functional.normalize(passages[number][:8] + noise, dim=1)
        scores = (torch.cat(passages) @ query.T).reshape(len(passages), 20, 8).amax(dim=1).sum(dim=1)
        sparse = centroids.of_query(query)
        estimated = marks[:, sparse.indices] @ torch.tensor(sparse.values)
        candidates = set(estimated.topk(len(passages) // 4).indices.tolist())
        best = scores.topk(20).indices.tolist()
        shares.append(len(candidates & set(best)) / 20)
        first += best[0] in candidates
    assert first == 40
    assert sum(shares) / 40 > 0.85


@given(st.integers(1, 10**10))
def test_the_number_of_centroids_is_the_power_of_two_below_16_times_the_root(tokens: int) -> None:
    number = number_of_centroids(tokens)
    assert math.log2(number).is_integer()
    assert number <= 16 * math.sqrt(tokens) < 2 * number


def test_a_vector_that_most_tokens_share_is_found_by_it() -> None:
    frequent, others = unit(1, 8, 1), unit(399, 8, 2)
    centroids = Centroids.train(torch.cat([frequent.repeat(601, 1), others]), 256, 10)
    assert len(centroids.vectors) > 64
    (mark,) = centroids.of_passages([frequent])
    asked = centroids.of_query(frequent)
    assert mark.indices[0] == asked.indices[max(range(len(asked.values)), key=asked.values.__getitem__)]
