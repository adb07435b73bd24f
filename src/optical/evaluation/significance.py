"""Is a difference between two systems more than chance, and are several such differences?"""

from collections.abc import Mapping, Sequence

import numpy as np

_MOST_ENUMERATED = 16
_CHUNK_SIGNS = 4_000_000


def paired_randomisation(
    first: Sequence[float], second: Sequence[float], *, samples: int = 100_000, seed: int = 0
) -> float:
    """Return the two-sided p-value of the paired randomisation test on the difference of means.

    ``first[i]`` and ``second[i]`` are the values of two systems for query i, and d_i their difference. Null
    hypothesis: the two systems are one, so which of them a value carries the name of is a coin toss, and
    each d_i could as well have had the other sign. With T(s) = |sum_i s_i d_i| the p-value is
    P(T(s) >= T(1, ..., 1)) over all 2^n sign vectors s. Up to 16 differences other than 0 it is enumerated;
    beyond, ``samples`` random sign vectors estimate it as (count + 1) / (samples + 1), which is never 0.
    See Smucker, Allan, Carterette: A comparison of statistical significance tests for information
    retrieval evaluation, CIKM 2007.

    Raises:
        ValueError: the sequences are empty, differ in length or hold something not finite.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} values do not form pairs")
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("values must be finite")
    # A sign in front of 0 changes nothing: without zeros, more cases can be enumerated.
    differences = differences[differences != 0]
    # Sums that are equal on paper must count as equal whatever order they were added in.
    threshold = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if len(differences) <= _MOST_ENUMERATED:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= threshold))
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_SIGNS // len(differences))
    count = 0
    for start in range(0, samples, chunk):
        shape = (min(chunk, samples - start), len(differences))
        heads = generator.integers(0, 2, size=shape, dtype=np.int8)
        sums = 2 * (heads @ differences) - differences.sum()
        count += int(np.count_nonzero(np.abs(sums) >= threshold))
    return (count + 1) / (samples + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted for their number by Holm's step-down method, in the order given.

    With p_(1) <= ... <= p_(m), the i-th becomes max over j <= i of min(1, (m - j + 1) p_(j)). Rejecting
    what is at most alpha then keeps the probability of any false rejection at or below alpha, whatever
    the dependence between the tests. See Holm: A simple sequentially rejective multiple test procedure,
    Scandinavian Journal of Statistics 6, 1979.

    Raises:
        ValueError: a p-value is outside [0, 1].
    """
    for name, p_value in p_values.items():
        if not 0 <= p_value <= 1:
            raise ValueError(f"the p-value {p_value} of {name} is outside [0, 1]")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for position, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - position) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
