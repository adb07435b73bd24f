"""Differences between two systems: how large, how sure, and whether more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from optical.evaluation import holm, paired_randomisation
from optical.study.results import Results, TestResult

SIGNIFICANT = 0.05
"""A corrected p-value below this counts as more than chance."""
RESAMPLES = 10_000
_SEED = 0
_CHUNK = 4_000_000

# Two systems, the amount of bitext, and the tests that they are compared on.
_Member: TypeAlias = tuple[str, str, int | str | None, tuple[str, ...]]


@dataclass(frozen=True)
class Effect:
    """The difference of two systems on some tests.

    Attributes:
        first: system.
        second: system that it is compared with.
        amount: of bitext.
        tests: one, or all those that have cells of both.
        seeds: how many each system has; over several tests, on the one with fewest.
        difference: mean over tests of the mean over queries of first minus second, each averaged over seeds.
        by_seed: the difference with each seed that every such system and test has, in the order of the seeds; a system
            with nothing random is the same with each.
        interval: its 95 % bootstrap interval over queries.
        p_value: of the two-sided paired randomisation test.
        adjusted_p_value: after Holm's correction for the family that the effect belongs to.
    """

    first: str
    second: str
    amount: int | str | None
    tests: tuple[str, ...]
    seeds: tuple[int, int]
    difference: float
    by_seed: tuple[float, ...]
    interval: tuple[float, float]
    p_value: float
    adjusted_p_value: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``not told apart``, by the adjusted p-value."""
        if self.adjusted_p_value >= SIGNIFICANT:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Effects:
    """Two families, each corrected for its own number: of single tests, and of several.

    Attributes:
        of_tests: comparison x test, comparison by comparison.
        of_all: one for each comparison, over all its tests.
        of_collections: comparison x collection, over the tests of each; in one family with ``of_all``.
        left_out: comparison and test that lack cells of a system, and which.
    """

    of_tests: list[Effect]
    of_all: list[Effect]
    of_collections: list[Effect]
    left_out: list[str]


def effects(
    results: Results,
    amount: int | str | None,
    comparisons: Sequence[tuple[str, str]],
    collections: Sequence[Sequence[str]],
) -> Effects:
    """Compare pairs of systems at one amount of bitext: on each test, over all, and over the tests of each collection.

    Args:
        results: of the study.
        amount: of bitext.
        comparisons: pairs of systems; a pair that is named twice is compared once.
        collections: tests by what they search in. Where there is only one, or with cells of both systems for only one
            test of it, there is nothing to say about it by itself.
    """
    tests = [test for collection in collections for test in collection]
    each: list[_Member] = []
    over_all: list[_Member] = []
    over_collections: list[_Member] = []
    left_out: list[str] = []
    for first, second in dict.fromkeys(comparisons):
        for test in tests:
            missing = [name for name in (first, second) if not results.seeds(test, name, amount)]
            if missing:
                left_out.append(f"{first} against {second} on {test}: no cell of {' and '.join(missing)}")
            else:
                each.append((first, second, amount, (test,)))
        whole = _over(results, amount, first, second, tests)
        over_all += whole
        parts = [part for some in collections for part in _over(results, amount, first, second, some)]
        over_collections += [part for part in parts if part not in whole and len(part[-1]) > 1]
    of_several = _family(results, over_all + over_collections)
    return Effects(_family(results, each), of_several[: len(over_all)], of_several[len(over_all) :], left_out)


def effects_of_amounts(
    results: Results,
    amounts: Sequence[int | str],
    comparisons: Sequence[tuple[str, str]],
    tests: Sequence[str],
) -> list[Effect]:
    """Compare pairs of systems at each of several amounts of bitext, over the tests with cells of both: one family.

    A pair of systems of which neither reads bitext is the same at every amount, and left out.
    """
    members: list[_Member] = []
    for amount in amounts:
        for first, second in dict.fromkeys(comparisons):
            if results.reads_bitext(first) or results.reads_bitext(second):
                members += _over(results, amount, first, second, tests)
    return _family(results, members)


def bootstrap_interval(
    strata: Sequence[NDArray[np.float64]], *, resamples: int = RESAMPLES, seed: int = _SEED
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the sum over strata of the mean within each.

    Every stratum is resampled on its own, with replacement and to its own size. See Efron, Tibshirani: An
    Introduction to the Bootstrap, 1993, chapters 8 and 13.

    Raises:
        ValueError: there is no stratum, or an empty one.
    """
    if not strata or not all(len(values) for values in strata):
        raise ValueError("there must be strata, and values in each")
    generator = np.random.default_rng(seed)
    means = np.zeros(resamples)
    for values in strata:
        chunk = max(1, _CHUNK // len(values))
        for start in range(0, resamples, chunk):
            part = means[start : start + chunk]
            part += values[generator.integers(len(values), size=(len(part), len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def randomisation_over_strata(strata: Sequence[NDArray[np.float64]]) -> float:
    """Return the p-value of the paired randomisation test on the sum over strata of the mean difference.

    Which of two systems a difference belongs to is a coin toss for each query, as in
    :func:`optical.evaluation.paired_randomisation`; a query weighs 1 / (queries of its stratum), so that each stratum
    counts the same however many queries it has.
    """
    weighted = np.concatenate([values / len(values) for values in strata])
    return paired_randomisation(weighted.tolist(), [0.0] * len(weighted))


def _family(results: Results, members: Sequence[_Member]) -> list[Effect]:
    differences = [_differences(results, *member) for member in members]
    p_values = {str(number): randomisation_over_strata(strata) for number, strata in enumerate(differences)}
    adjusted = holm(p_values)
    return [
        Effect(
            first,
            second,
            amount,
            tests,
            (_seeds(results, amount, first, tests), _seeds(results, amount, second, tests)),
            float(sum(values.mean() for values in strata)),
            _by_seed(results, first, second, amount, tests),
            bootstrap_interval(strata),
            p_values[number],
            adjusted[number],
        )
        for (first, second, amount, tests), strata, number in zip(members, differences, p_values, strict=True)
    ]


def _over(
    results: Results, amount: int | str | None, first: str, second: str, tests: Sequence[str]
) -> list[_Member]:
    """Return the comparison over the tests with cells of both systems, if there are any."""
    complete = [test for test in tests if all(results.seeds(test, name, amount) for name in (first, second))]
    return [(first, second, amount, tuple(complete))] if complete else []


def _differences(
    results: Results, first: str, second: str, amount: int | str | None, tests: Sequence[str]
) -> list[NDArray[np.float64]]:
    """Return the queries' differences, divided by the number of tests, and added up over tests with the same queries.

    One question asked in two languages is one chance to be lucky, not two.
    """
    strata: dict[str, NDArray[np.float64]] = {}
    for test in tests:
        values = results.per_query(test, first, amount) - results.per_query(test, second, amount)
        questions = results.test(test).questions
        strata[questions] = strata.get(questions, 0.0) + values / len(tests)
    return list(strata.values())


def _by_seed(
    results: Results, first: str, second: str, amount: int | str | None, tests: Sequence[str]
) -> tuple[float, ...]:
    found = [(results.by_seed(test, first, amount), results.by_seed(test, second, amount)) for test in tests]
    random = [set(each) for pair in found for each in pair if None not in each]
    shared = sorted(seed for seed in set.intersection(*random) if seed is not None) if random else []
    return tuple(
        float(np.mean([_mean(ours, seed) - _mean(theirs, seed) for ours, theirs in found])) for seed in shared
    )


def _mean(results: Mapping[int | None, TestResult], seed: int) -> float:
    return float(np.mean(results[None if None in results else seed].per_query))


def _seeds(results: Results, amount: int | str | None, system: str, tests: Sequence[str]) -> int:
    return min(len(results.seeds(test, system, amount)) for test in tests)
