"""Measures against values worked out by hand and against pytrec_eval."""

import math

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.collections import Judgements, Run
from optical.errors import OpticalError
from optical.evaluation import MEASURES, evaluate, per_query


def scored(passages: list[str]) -> dict[str, float]:
    """Scores that fall along the list."""
    return {passage: float(len(passages) - rank) for rank, passage in enumerate(passages)}


def test_values_worked_out_by_hand() -> None:
    judgements = {"q": {"a": 2, "b": 1, "c": 0, "d": 1}}
    values = evaluate({"q": scored(["c", "a", "x", "b"])}, judgements)
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert values == pytest.approx(
        {
            "MRR@10": 1 / 2,
            "nDCG@10": (2 / math.log2(3) + 1 / math.log2(5)) / ideal,
            "R@10": 2 / 3,
            "R@100": 2 / 3,
            "MAP": (1 / 2 + 2 / 4) / 3,
        }
    )
    assert tuple(values) == MEASURES


def test_ranks_past_ten_and_past_a_hundred() -> None:
    passages = [f"x{rank}" for rank in range(1, 103)]
    passages[10], passages[100] = "eleventh", "beyond"
    values = evaluate({"q": scored(passages)}, {"q": {"eleventh": 1, "beyond": 1}})
    assert values == pytest.approx(
        {"MRR@10": 0, "nDCG@10": 0, "R@10": 0, "R@100": 1 / 2, "MAP": (1 / 11 + 2 / 101) / 2}
    )


def test_every_judged_query_counts_and_no_other() -> None:
    judgements = {
        "found": {"a": 1},
        "missing": {"a": 1},
        "nothing relevant": {"a": 0},
        "no passages": {"a": 1},
    }
    run = {"unjudged": {"a": 1.0}, "found": {"a": 1.0}, "nothing relevant": {"a": 1.0}, "no passages": {}}
    assert evaluate(run, judgements) == dict.fromkeys(MEASURES, 1 / 4)
    for values in per_query(run, judgements).values():
        assert list(values.items()) == [
            ("found", 1),
            ("missing", 0),
            ("nothing relevant", 0),
            ("no passages", 0),
        ]


def test_ties_are_broken_alike_for_all_measures() -> None:
    tied = {"a": 1.0, "b": 1.0}
    first, second = ({"q": {passage: 1}} for passage in "ab")
    assert evaluate({"q": tied}, first)["MRR@10"] == evaluate({"q": tied}, first)["MAP"] == 1
    assert evaluate({"q": tied}, second)["MRR@10"] == evaluate({"q": tied}, second)["MAP"] == 1 / 2


def test_differences_below_32_bits_still_rank() -> None:
    assert evaluate({"q": {"a": 1.0 + 1e-12, "b": 1.0}}, {"q": {"a": 1}})["MAP"] == 1
    assert evaluate({"q": {"a": 1.0, "b": 1.0 + 1e-12}}, {"q": {"a": 1}})["MAP"] == 1 / 2


def test_nothing_in_common() -> None:
    with pytest.raises(OpticalError, match="None of the run's 1 queries is among the 2 judged"):
        evaluate({"q9": {"a": 1.0}}, {"q1": {"a": 1}, "q2": {"a": 1}})
    with pytest.raises(OpticalError, match="passage a has the score nan"):
        evaluate({"q1": {"a": math.nan}}, {"q1": {"a": 1}})


passages = st.sampled_from([f"d{number}" for number in range(14)])
queries = st.sampled_from(["q1", "q2", "q3"])


@settings(deadline=None)
@given(
    st.dictionaries(queries, st.lists(passages, unique=True, min_size=1).map(scored), min_size=3),
    st.dictionaries(queries, st.dictionaries(passages, st.integers(0, 3), min_size=1), min_size=1),
)
def test_agrees_with_pytrec_eval(run: Run, judgements: Judgements) -> None:
    names = {"ndcg_cut_10": "nDCG@10", "recall_10": "R@10", "recall_100": "R@100", "map": "MAP"}
    reference = pytrec_eval.RelevanceEvaluator(judgements, set(names)).evaluate(run)
    values = per_query(run, judgements)
    for query in judgements:
        for theirs, ours in names.items():
            assert values[ours][query] == pytest.approx(reference[query][theirs])
        top = sorted(run[query], key=run[query].__getitem__, reverse=True)[:10]
        hits = [rank for rank, passage in enumerate(top, start=1) if judgements[query].get(passage, 0) > 0]
        assert values["MRR@10"][query] == pytest.approx(1 / hits[0] if hits else 0)
