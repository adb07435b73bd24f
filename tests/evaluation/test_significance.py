"""The randomisation test against exact fractions and SciPy, Holm's method against closed testing."""

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from optical.evaluation import holm, paired_randomisation


def scipy_p_value(first: list[float], second: list[float], samples: int) -> float:
    result = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=samples,
        vectorized=True,
        rng=np.random.default_rng(5),
    )
    return float(result.pvalue)


reciprocal_ranks = st.sampled_from([Fraction(0), *(Fraction(1, rank) for rank in range(1, 11))])


@settings(deadline=None)
@given(st.lists(st.tuples(reciprocal_ranks, reciprocal_ranks), min_size=1, max_size=8))
@example(
    [(Fraction(0), Fraction(1, 2)), *[(Fraction(1, 5), Fraction(0))] * 2, (Fraction(1, 5), Fraction(1, 10))]
)
def test_p_value_is_that_of_exact_fractions(pairs: list[tuple[Fraction, Fraction]]) -> None:
    """The example's differences sum to 0 on paper and to 3e-17 in floating point."""
    differences = [first - second for first, second in pairs]
    extreme = [
        abs(sum(sign * difference for sign, difference in zip(signs, differences, strict=True)))
        >= abs(sum(differences))
        for signs in product((1, -1), repeat=len(pairs))
    ]
    first, second = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    assert paired_randomisation(first, second) == sum(extreme) / len(extreme)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_sampled_p_value_agrees_with_scipy_and_with_the_normal_limit(shift: float) -> None:
    generator = np.random.default_rng(3)
    second = generator.random(200)
    first = (second + generator.normal(shift, 0.5, 200)).tolist()
    p_value = paired_randomisation(first, second.tolist(), samples=20_000)
    deviation = math.sqrt(p_value * (1 - p_value) / 20_000)
    assert p_value == pytest.approx(scipy_p_value(first, second.tolist(), 20_000), abs=6 * deviation)
    differences = np.asarray(first) - second
    normal = 2 * stats.norm.sf(abs(differences.sum()) / math.sqrt((differences**2).sum()))
    assert p_value == pytest.approx(normal, abs=6 * deviation + 0.005)


def test_sampling_meets_enumeration_at_the_border() -> None:
    """17 differences are sampled; all sign vectors of 17 equal differences follow a binomial law."""
    differences = [1.0] * 13 + [-1.0] * 4
    exact = stats.binomtest(13, 17).pvalue
    sampled = paired_randomisation(differences, [0.0] * 17)
    assert sampled == pytest.approx(exact, abs=6 * math.sqrt(exact * (1 - exact) / 100_000))
    # 16 of them, and zeros that must not matter, are enumerated.
    enumerated = paired_randomisation(differences[1:] + [0.0] * 500, [0.0] * 516)
    assert enumerated == pytest.approx(stats.binomtest(12, 16).pvalue, rel=1e-12)


def test_no_difference_and_overwhelming_difference() -> None:
    assert paired_randomisation([0.5, 1.0], [0.5, 1.0]) == 1
    assert paired_randomisation([1.0] * 10, [0.0] * 10) == 2 / 2**10
    assert paired_randomisation([1.0] * 100, [0.0] * 100, samples=999) == 1 / 1000


def test_the_seed_decides_the_samples() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.random(40).tolist(), generator.random(40).tolist()
    p_values = [paired_randomisation(first, second, samples=500, seed=seed) for seed in (0, 0, 1)]
    assert p_values[0] == p_values[1] != p_values[2]
    assert paired_randomisation(second, first, samples=500) == p_values[0]


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([math.nan], [1.0])])
def test_what_is_no_pairing(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs|finite"):
        paired_randomisation(first, second)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.5]), max_size=6))
def test_holm_is_closed_testing_with_bonferroni(p_values: list[float]) -> None:
    """A hypothesis falls once every intersection it is in falls: Marcus, Peritz, Gabriel 1976."""
    indices = range(len(p_values))
    adjusted = holm({str(index): p_values[index] for index in indices})
    assert list(adjusted) == [str(index) for index in indices]
    for index in indices:
        intersections = [
            subset
            for size in range(1, len(p_values) + 1)
            for subset in combinations(indices, size)
            if index in subset
        ]
        expected = max(min(1, len(s) * min(p_values[member] for member in s)) for s in intersections)
        assert adjusted[str(index)] == pytest.approx(expected)


def test_holm_worked_out_by_hand() -> None:
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    with pytest.raises(ValueError, match=r"1\.5 of a"):
        holm({"a": 1.5})
