import math
import sys
from collections import Counter

import pytest

from optical.bitext import words
from optical.collections import Passage
from optical.errors import OpticalError
from optical.rivals import LexicalSearch

PASSAGES = [
    Passage("a", "the capital of Kenya is Nairobi", "Nairobi"),
    Passage("b", "rain in Kenya, rain, rain"),
    Passage("c", "maize is food", "Maize"),
]


def bm25(query: str, passages: list[Passage]) -> dict[str, float]:
    """Lucene's BM25 with k1 = 1.5 and b = 0.75, the library's defaults, word by word."""
    texts = [words(f"{passage.title} {passage.text}") for passage in passages]
    mean = sum(map(len, texts)) / len(texts)
    scores = {}
    for passage, text in zip(passages, texts, strict=True):
        counts, score = Counter(text), 0.0
        for word in words(query):
            having = sum(word in other for other in texts)
            rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            score += rarity * counts[word] / (counts[word] + 1.5 * (0.25 + 0.75 * len(text) / mean))
        if score > 0:
            scores[passage.id] = score
    return scores


@pytest.mark.parametrize("query", ["Rain in Kenya?", "the capital", "MAIZE", "nairobi nairobi food"])
def test_scores_are_those_of_the_formula(query: str) -> None:
    assert LexicalSearch(PASSAGES).rank({"q": query})["q"] == pytest.approx(bm25(query, PASSAGES), rel=1e-5)


def test_only_passages_with_a_word_of_the_query_are_found() -> None:
    run = LexicalSearch(PASSAGES).rank({"1": "mvua", "2": "...", "3": "mvua food"})
    assert (run["1"], run["2"], list(run["3"])) == ({}, {}, ["c"])


def test_depth_keeps_the_best() -> None:
    found = LexicalSearch(PASSAGES).rank({"q": "rain is Kenya"}, 1)["q"]
    expected = bm25("rain is Kenya", PASSAGES)
    assert list(found) == [max(expected, key=expected.__getitem__)]


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_ties_at_the_depth_go_by_passage(order: str) -> None:
    system = LexicalSearch([*(Passage(name, "rain fell") for name in order), Passage("d", "maize")])
    assert list(system.rank({"q": "rain"}, 2)["q"]) == ["a", "b"]


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(OpticalError, match=r"pip install 'optical\[study\]'"):
        LexicalSearch(PASSAGES)


@pytest.mark.parametrize("passages", [[], [Passage("a", "...")]])
def test_passages_without_words_cannot_be_searched(passages: list[Passage]) -> None:
    with pytest.raises(OpticalError, match="no words"):
        LexicalSearch(passages)
