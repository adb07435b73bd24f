"""Several runs against one baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from optical.collections import Judgements, Run
from optical.errors import OpticalError
from optical.evaluation.measures import MEASURES, per_query
from optical.evaluation.significance import holm, paired_randomisation


@dataclass(frozen=True)
class Comparison:
    """One run against the baseline, over all judged queries.

    ``difference`` is the run's mean minus the baseline's; ``p_value`` comes from the two-sided paired
    randomisation test, ``adjusted_p_value`` also accounts for the number of runs compared (Holm).
    """

    run: str
    difference: float
    p_value: float
    adjusted_p_value: float


def compare_runs(
    runs: Mapping[str, Run], baseline: str, judgements: Judgements, *, measure: str = "MRR@10"
) -> list[Comparison]:
    """Compare every run with the one named ``baseline``, in the order of ``runs``.

    Raises:
        OpticalError: ``baseline`` is not among the runs, ``measure`` not among :data:`MEASURES`, or a run
            has no query in common with ``judgements``.
    """
    if baseline not in runs:
        raise OpticalError(f"There is no run {baseline} to compare with. Choose one of {', '.join(runs)}.")
    if measure not in MEASURES:
        raise OpticalError(f"There is no measure {measure}. Choose one of {', '.join(MEASURES)}.")
    values: dict[str, list[float]] = {}
    for name, run in runs.items():
        try:
            values[name] = list(per_query(run, judgements)[measure].values())
        except OpticalError as error:
            raise OpticalError(f"Run {name}: {error}") from error
    p_values = {
        name: paired_randomisation(values[name], values[baseline]) for name in runs if name != baseline
    }
    adjusted = holm(p_values)
    return [
        Comparison(name, fmean(values[name]) - fmean(values[baseline]), p_value, adjusted[name])
        for name, p_value in p_values.items()
    ]
