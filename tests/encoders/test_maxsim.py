"""MaxSim of many texts, against one comparison at a time."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers.util import maxsim

from optical.encoders import maxsim_scores


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.integers(0, 10_000),
)
def test_every_query_is_compared_with_every_passage_in_the_order_given(
    query_lengths: list[int], passage_lengths: list[int], seed: int
) -> None:
    generator = np.random.default_rng(seed)
    queries = [generator.normal(size=(length, 5)).astype(np.float32) for length in query_lengths]
    passages = [generator.normal(size=(length, 5)).astype(np.float32) for length in passage_lengths]
    scores = maxsim_scores([torch.from_numpy(q) for q in queries], [torch.from_numpy(p) for p in passages])
    expected = [[(q @ p.T).max(1).sum() for p in passages] for q in queries]
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_more_than_one_piece_holds() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = [torch.randn(1 + place % 5, 8, generator=generator) for place in range(150)]
    passages = [torch.randn(1 + place % 20, 8, generator=generator) for place in range(600)]
    scores = maxsim_scores(queries, passages)
    expected = maxsim(queries, passages)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)


def test_vectors_of_16_bits_are_compared_in_32() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = [torch.randn(20, 8, generator=generator).half() for _ in range(3)]
    passages = [torch.randn(20, 8, generator=generator).half() for _ in range(3)]
    exact = maxsim_scores([query.float() for query in queries], [passage.float() for passage in passages])
    assert torch.equal(maxsim_scores(queries, passages), exact)


def test_texts_without_vectors() -> None:
    some, none = torch.ones(2, 3), torch.empty(0, 3)
    assert maxsim_scores([some, none], [some, none]).tolist() == [[6, -torch.inf], [0, 0]]
    assert maxsim_scores([none], [none]).tolist() == [[0]]
    assert maxsim_scores([], [some]).shape == (0, 1)
    assert maxsim_scores([some], []).shape == (1, 0)
