"""Runs against a baseline."""

import pytest

from optical.errors import OpticalError
from optical.evaluation import compare_runs

QUERIES = [f"q{number}" for number in range(8)]
JUDGEMENTS = {query: {"right": 1} for query in QUERIES}
GOOD = {query: {"right": 2.0, "wrong": 1.0} for query in QUERIES}
POOR = {query: {"right": 1.0, "wrong": 2.0} for query in QUERIES}
MIXED = GOOD | {query: POOR[query] for query in QUERIES[:4]}


def test_differences_and_p_values() -> None:
    runs = {"good": GOOD, "poor": POOR, "mixed": MIXED}
    good, mixed = compare_runs(runs, "poor", JUDGEMENTS)
    assert (good.run, mixed.run) == ("good", "mixed")
    # Reciprocal rank 1 against 1/2, in all 8 queries or in 4 of them.
    assert (good.difference, mixed.difference) == (1 / 2, 1 / 4)
    assert (good.p_value, mixed.p_value) == (2 / 2**8, 2 / 2**4)
    assert (good.adjusted_p_value, mixed.adjusted_p_value) == (4 / 2**8, 2 / 2**4)


def test_a_judged_query_that_one_run_lacks_counts_against_it() -> None:
    (comparison,) = compare_runs({"all": GOOD, "one": {"q0": GOOD["q0"]}}, "all", JUDGEMENTS, measure="MAP")
    assert comparison.difference == -7 / 8
    assert comparison.p_value == 2 / 2**7


def test_unknown_names() -> None:
    with pytest.raises(OpticalError, match=r"no run best.*good, poor"):
        compare_runs({"good": GOOD, "poor": POOR}, "best", JUDGEMENTS)
    with pytest.raises(OpticalError, match=r"no measure MRR\. .*MRR@10"):
        compare_runs({"good": GOOD}, "good", JUDGEMENTS, measure="MRR")
    with pytest.raises(OpticalError, match="Run other: None of"):
        compare_runs({"good": GOOD, "other": {"x": {"right": 1.0}}}, "good", JUDGEMENTS)
