"""Exact search with an encoder, against an index of the same passages."""

from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.evaluation import rank
from optical.index import Index
from optical.rivals import EncoderSearch

from .toy_language import toy_bitext


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    texts = dict.fromkeys(toy_bitext().english)
    return [Passage(f"p{number}", text) for number, text in enumerate(list(texts)[:80])]


def test_finds_what_an_index_finds(
    tiny_teacher: MultiVectorEncoder, passages: list[Passage], tmp_path: Path
) -> None:
    vectors = tiny_teacher.encode_document([passage.content for passage in passages])
    search = EncoderSearch(tiny_teacher, {each.id: own for each, own in zip(passages, vectors, strict=True)})
    queries = {f"q{number}": passage.content for number, passage in enumerate(passages[::7])}
    found = search.rank(queries, 10)
    with Index.create(tmp_path / "index", tiny_teacher, passages) as index:
        expected = rank(index, queries, tiny_teacher, 10)
    assert found.keys() == expected.keys()
    for query, scores in found.items():
        assert list(scores) == sorted(scores, key=scores.__getitem__, reverse=True)
        assert len(scores) == 10
        # Passages that differ by less than the index's rounding may change places.
        assert list(scores.values()) == pytest.approx(list(expected[query].values()), abs=0.01)
        assert next(iter(scores)) == next(iter(expected[query]))


def test_equal_passages_come_in_the_order_of_their_ids(tiny_teacher: MultiVectorEncoder) -> None:
    vectors = tiny_teacher.encode_document(["one text", "another one"])
    search = EncoderSearch(tiny_teacher, {"b": vectors[0], "c": vectors[1], "a": vectors[0]})
    ranking = search.rank({"q": "one text"}, 2)["q"]
    assert list(ranking) == ["a", "b"]
    assert ranking["a"] == ranking["b"]
