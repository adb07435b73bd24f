from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.collections import Run, ranked
from optical.rivals import Fusion, fuse

ids = st.sampled_from("abcdef")
runs = st.lists(
    st.dictionaries(st.sampled_from("xy"), st.dictionaries(ids, st.floats(0, 9))), min_size=1, max_size=4
)


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    first, second = {"q": {"a": 9.0, "b": 8.0}}, {"q": {"b": 0.3, "c": 0.2}, "r": {"a": 1.0}}
    assert fuse([first, second]) == {
        "q": pytest.approx({"b": 1 / 62 + 1 / 61, "a": 1 / 61, "c": 1 / 62}),
        "r": pytest.approx({"a": 1 / 61}),
    }


def test_the_best_are_kept_and_ties_go_by_passage() -> None:
    assert list(fuse([{"q": {"b": 1.0}}, {"q": {"a": 1.0}}, {"q": {"c": 1.0}}], depth=2)["q"]) == ["a", "b"]


@given(runs)
def test_the_order_of_runs_does_not_matter(given_runs: list[Run]) -> None:
    one, other = fuse(given_runs), fuse(given_runs[::-1])
    assert {query: pytest.approx(scores) for query, scores in one.items()} == other


@given(runs)
def test_a_single_run_keeps_its_order(given_runs: list[Run]) -> None:
    assert list(ranked(fuse(given_runs[:1]))) == list(ranked(given_runs[0]))


class Fixed:
    def __init__(self, run: Run) -> None:
        self._run = run

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        return {query: dict(list(self._run[query].items())[:depth]) for query in queries}


def test_systems_are_asked_for_as_many_passages_as_are_wanted() -> None:
    first, second = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}, {"q": {"c": 3.0, "b": 2.0, "a": 1.0}}
    assert Fusion([Fixed(first), Fixed(second)]).rank({"q": "?"}, 1) == {"q": {"a": 1 / 61}}
    assert set(Fusion([Fixed(first), Fixed(second)]).rank({"q": "?"}, 2)["q"]) == {"b", "a"}
