"""MaxSim of many texts, against one comparison at a time."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

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
    queries = [torch.randn(30, 64, generator=generator) for _ in range(60)]
    passages = [torch.randn(10 + place % 90, 64, generator=generator) for place in range(120)]
    scores = maxsim_scores(queries, passages)
    expected = torch.tensor([[(q @ p.T).max(1).values.sum() for p in passages] for q in queries])
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-3)
