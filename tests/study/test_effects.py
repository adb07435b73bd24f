"""Differences, their intervals and p-values against what can be worked out otherwise."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from optical.evaluation import paired_randomisation
from optical.study.effects import Effects, bootstrap_interval, effects, randomisation_over_strata
from optical.study.results import Results, read_results

from .handmade_cells import content, write

RANKS = [0.0, *(1 / rank for rank in range(1, 11))]
SIZES = {"small": 7, "large": 40, "other pool": 7}
SYSTEMS = ("optical", "greedy", "graft")


@pytest.fixture
def values() -> dict[tuple[str, str, int], list[float]]:
    """MRR@10 of each query, by test, system and seed."""
    generator = np.random.default_rng(8)
    return {
        (test, system, seed): generator.choice(RANKS, size=size).tolist()
        for test, size in SIZES.items()
        for system in SYSTEMS
        for seed in (0, 1)
    }


@pytest.fixture
def results(tmp_path: Path, values: dict[tuple[str, str, int], list[float]]) -> Results:
    return read_results(
        write(
            tmp_path,
            *(
                content(system, {test: values[test, system, seed] for test in SIZES}, amount="all", seed=seed)
                for system in SYSTEMS
                for seed in (0, 1)
            ),
        )
    )


def compare(results: Results) -> Effects:
    return effects(results, "all", [("optical", "greedy"), ("optical", "graft")], [["small", "large"]])


def averaged(values: dict[tuple[str, str, int], list[float]], test: str, system: str) -> NDArray[np.float64]:
    return (np.array(values[test, system, 0]) + np.array(values[test, system, 1])) / 2


def step_down(p_values: list[float]) -> list[float]:
    """Holm's adjustment as a maximum over all smaller p-values."""
    number = len(p_values)
    ranks = {each: sum(other < each for other in p_values) for each in p_values}
    assert len(ranks) == number  # without ties a rank is unique
    return [
        max(min(1.0, (number - ranks[other]) * other) for other in p_values if other <= each)
        for each in p_values
    ]


def test_each_test_compares_values_averaged_over_seeds(
    results: Results, values: dict[tuple[str, str, int], list[float]]
) -> None:
    found = compare(results).of_tests
    pairs = [(test, rival) for rival in ("greedy", "graft") for test in ("small", "large")]
    assert [(effect.tests, effect.second) for effect in found] == [((test,), rival) for test, rival in pairs]
    p_values = []
    for effect, (test, rival) in zip(found, pairs, strict=True):
        own, other = averaged(values, test, "optical"), averaged(values, test, rival)
        assert effect.difference == pytest.approx(own.mean() - other.mean())
        p_values.append(paired_randomisation(own.tolist(), other.tolist()))
        assert effect.p_value == pytest.approx(p_values[-1])
        assert effect.seeds == (2, 2)
    # The test with the other pool is in no family: there are four rows, not six.
    assert [effect.adjusted_p_value for effect in found] == pytest.approx(step_down(p_values))


def test_over_all_tests_each_test_counts_the_same(
    results: Results, values: dict[tuple[str, str, int], list[float]]
) -> None:
    found = compare(results).of_all
    assert [effect.tests for effect in found] == [("small", "large")] * 2
    for effect in found:
        by_test = [
            (averaged(values, test, "optical") - averaged(values, test, effect.second)).mean()
            for test in ("small", "large")
        ]
        assert effect.difference == pytest.approx(sum(by_test) / 2)
    # A family of its own: the smaller of the two p-values is doubled, not multiplied by six.
    p_values = [effect.p_value for effect in found]
    assert [effect.adjusted_p_value for effect in found] == pytest.approx(step_down(p_values))


def test_seeds_are_compared_one_by_one(
    tmp_path: Path, values: dict[tuple[str, str, int], list[float]]
) -> None:
    def cell(system: str, seed: int | None, tests: tuple[str, ...] = ("small", "large")) -> dict[str, Any]:
        measured = {test: values[test, system, seed or 0] for test in tests}
        return content(system, measured, amount="all", seed=seed)

    cells = [
        cell("optical", 0),
        cell("optical", 1),
        cell("graft", None),
        cell("greedy", 1),
        cell("greedy", 0, ("small",)),
    ]
    results = read_results(write(tmp_path, *cells))

    def difference(rival: str, seed: int, rival_seed: int) -> float:
        pairs = [
            (values[test, "optical", seed], values[test, rival, rival_seed]) for test in ("small", "large")
        ]
        return float(np.mean([np.mean(own) - np.mean(other) for own, other in pairs]))

    against_greedy, against_graft = compare(results).of_all
    # Seed 0 of greedy lacks a test.
    assert against_greedy.by_seed == pytest.approx([difference("greedy", 1, 1)])
    # A system with nothing random is the same with each seed.
    assert against_graft.by_seed == pytest.approx([difference("graft", 0, 0), difference("graft", 1, 0)])
    assert np.mean(against_graft.by_seed) == pytest.approx(against_graft.difference)
    graft_alone = effects(results, "all", [("graft", "graft")], [["small", "large"]]).of_all
    assert graft_alone[0].by_seed == ()


def test_a_collection_is_compared_as_if_there_were_no_other(results: Results) -> None:
    comparisons = [("optical", "greedy"), ("optical", "graft")]
    found = effects(results, "all", comparisons, [["small", "large"], ["other pool"]])
    alone = compare(results)
    # What has one test is there already, as that test.
    assert [effect.tests for effect in found.of_collections] == [("small", "large")] * 2
    for effect, same in zip(found.of_collections, alone.of_all, strict=True):
        assert (effect.difference, effect.interval, effect.p_value) == (
            same.difference,
            same.interval,
            same.p_value,
        )
    assert not alone.of_collections
    # With those over all tests, one family of four.
    assert [effect.tests for effect in found.of_all] == [("small", "large", "other pool")] * 2
    together = found.of_all + found.of_collections
    p_values = [effect.p_value for effect in together]
    assert [effect.adjusted_p_value for effect in together] == pytest.approx(step_down(p_values))


def test_randomisation_over_strata_is_the_enumeration_of_all_signs() -> None:
    strata = [np.array([0.5, 0.25, -0.1, 0.9]), np.array([1.0, -0.5, 0.2]), np.array([0.3, 0.4])]
    observed = abs(np.mean([values.mean() for values in strata]))
    larger = total = 0
    for signs in product((1, -1), repeat=sum(map(len, strata))):
        pieces = np.split(np.array(signs), np.cumsum([len(values) for values in strata])[:-1])
        flipped = np.mean([(values * sign).mean() for values, sign in zip(strata, pieces, strict=True)])
        larger += abs(flipped) >= observed - 1e-12
        total += 1
    assert 0.01 < larger / total < 0.5
    assert randomisation_over_strata(strata) == pytest.approx(larger / total)
    # Pooling the queries instead would be another test.
    pooled = paired_randomisation(np.concatenate(strata).tolist(), [0.0] * 9)
    assert pooled != pytest.approx(larger / total)


def test_interval_of_one_stratum_agrees_with_scipy() -> None:
    values = np.random.default_rng(2).choice(RANKS, size=60)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert bootstrap_interval([values]) == pytest.approx(tuple(expected), abs=0.004)


def test_interval_over_strata_agrees_with_the_normal_limit() -> None:
    generator = np.random.default_rng(6)
    strata = [generator.normal(0.1, 0.3, size=900), generator.normal(0.4, 0.1, size=200)]
    centre = sum(values.mean() for values in strata)
    half = 1.96 * np.sqrt(sum(values.var() / len(values) for values in strata))
    assert bootstrap_interval(strata) == pytest.approx((centre - half, centre + half), abs=0.04 * half)


@pytest.mark.parametrize("strata", [[], [np.ones(3), np.empty(0)]])
def test_an_interval_of_nothing_is_refused(strata: list[NDArray[np.float64]]) -> None:
    with pytest.raises(ValueError, match="strata"):
        bootstrap_interval(strata)


def test_verdicts_need_a_corrected_p_below_the_level(tmp_path: Path) -> None:
    # Of 2^5 sign vectors two are as extreme: p = 1/16, and of 2^6: p = 1/32.
    results = read_results(
        write(
            tmp_path,
            content("good", {"five": [0.9, 0.8, 0.7, 0.6, 0.5], "six": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]}),
            content("bad", {"five": [0.0] * 5, "six": [0.0] * 6}),
        )
    )

    def verdicts(comparisons: list[tuple[str, str]], tests: list[str]) -> list[tuple[float, str]]:
        found = effects(results, None, comparisons, [tests]).of_tests
        return [(effect.adjusted_p_value, effect.verdict) for effect in found]

    assert verdicts([("good", "bad")], ["five"]) == [(1 / 16, "not told apart")]
    assert verdicts([("good", "bad")], ["six"]) == [(1 / 32, "better")]
    assert verdicts([("bad", "good")], ["six"]) == [(1 / 32, "worse")]
    assert verdicts([("bad", "good")], ["six", "five"]) == [(1 / 16, "not told apart")] * 2


def test_systems_that_find_the_same_are_not_told_apart(tmp_path: Path) -> None:
    cells = [content(system, {"small": [0.5, 1.0, 0.1]}) for system in ("one", "two")]
    (effect,) = effects(read_results(write(tmp_path, *cells)), None, [("one", "two")], [["small"]]).of_all
    assert (effect.difference, effect.interval, effect.p_value) == (0, (0, 0), 1)
    assert effect.verdict == "not told apart"


def test_a_question_asked_in_two_tests_is_one_chance(tmp_path: Path) -> None:
    # The same five questions in two languages: 2^5 sign vectors, not 2^10; and resampled together, the two tests'
    # differences, which cancel out question by question, leave no spread.
    better, worse = [0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]
    zero = [0.0] * 5
    cells = [
        content("one", {"hi": better, "th": worse}, questions="xquad"),
        content("two", {"hi": zero, "th": zero}, questions="xquad"),
    ]
    (effect,) = effects(read_results(write(tmp_path, *cells)), None, [("one", "two")], [["hi", "th"]]).of_all
    assert effect.difference == pytest.approx(0.5)
    assert effect.p_value == pytest.approx(1 / 16)
    assert effect.interval == pytest.approx((0.5, 0.5))


def test_comparisons_without_cells_are_named(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path,
            content("bm25", {"small": [0.1, 0.2], "large": [0.3]}),
            content("graft", {"small": [0.2, 0.9]}, amount="all"),
        )
    )
    comparisons = [("graft", "bm25"), ("optical", "graft"), ("graft", "bm25")]
    found = effects(results, "all", comparisons, [["small", "large"]])
    # Named twice, compared once.
    assert [(effect.first, effect.tests) for effect in found.of_tests] == [("graft", ("small",))]
    assert [(effect.first, effect.tests) for effect in found.of_all] == [("graft", ("small",))]
    assert found.left_out == [
        "graft against bm25 on large: no cell of graft",
        "optical against graft on small: no cell of optical",
        "optical against graft on large: no cell of optical and graft",
    ]
