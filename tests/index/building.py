"""The same collection indexed by one process and by workers."""

from pathlib import Path
from random import Random

import numpy as np
import psutil
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.index import Index

from ..conftest import ENGLISH_WORDS

BATCH = 2
CHUNK = 16 * BATCH


def passages(number: int) -> list[Passage]:
    random = Random(3)
    return [
        Passage(f"p{each}", " ".join(random.choices(ENGLISH_WORDS, k=random.randint(3, 40))), "", {"n": each})
        for each in range(number)
    ]


def assert_same_outcome(one: Path, other: Path, encoder: MultiVectorEncoder) -> None:
    """Passages, vectors to the precision of float16, and results of searches are the same."""
    with Index.open(one) as first, Index.open(other) as second:
        assert first.count == second.count > 0
        expected, found = (dict(each._engine.vectors()) for each in (first, second))
        assert expected.keys() == found.keys()
        for id_, vectors in expected.items():
            assert np.allclose(vectors.float(), found[id_].float(), atol=2**-10)
        queries = ["where is the river", "who buy maize", "money"]
        for hits, others in zip(
            first.search_many(queries, encoder, first.count, filter="n >= 1"),
            second.search_many(queries, encoder, first.count, filter="n >= 1"),
            strict=True,
        ):
            scores = {hit.id: hit.score for hit in hits}
            assert scores.keys() == {hit.id for hit in others}
            for hit, rival in zip(hits, others, strict=True):
                # Where they are not the same, float16 cannot tell them apart.
                assert abs(scores[rival.id] - hit.score) < 2e-2
                assert abs(scores[rival.id] - rival.score) < 2e-2
                assert (rival.rank, rival.metadata.keys()) == (hit.rank, hit.metadata.keys())


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)
