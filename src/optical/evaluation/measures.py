"""Effectiveness of a run, computed by ir_measures (MacAvaney, Macdonald, Ounis 2022)."""

from statistics import fmean

from optical.collections import Judgements, Run, ranked
from optical.errors import OpticalError

MEASURES = ("MRR@10", "nDCG@10", "R@10", "R@100", "MAP")
"""What :func:`evaluate` reports; a judgement of 1 and above is relevant, nDCG's gain is the judgement."""


def evaluate(run: Run, judgements: Judgements) -> dict[str, float]:
    """Return each of :data:`MEASURES` averaged over all judged queries, in [0, 1].

    Raises:
        OpticalError: as :func:`per_query`.
    """
    return {measure: fmean(values.values()) for measure, values in per_query(run, judgements).items()}


def per_query(run: Run, judgements: Judgements) -> dict[str, dict[str, float]]:
    """Return measure -> judged query -> value in [0, 1].

    All judged queries are there, in the order of ``judgements``: one that the run lacks, or that has no
    relevant passage, gets 0. Queries without judgements are left out. Equal scores are ordered by passage id,
    for all measures alike.

    Raises:
        OpticalError: ``run`` and ``judgements`` have no query in common, or a score is not finite.
    """
    judged_run = {query: scores for query, scores in run.items() if query in judgements}
    if not judged_run:
        raise OpticalError(
            f"None of the run's {len(run)} queries is among the {len(judgements)} judged ones. "
            "Use the judgements that belong to these queries."
        )

    import ir_measures
    from ir_measures import AP, RR, R, nDCG

    # Left to themselves the measures break ties in opposite ways (RR@10 by rising passage id, the others
    # by falling) and trec_eval rounds scores to 32 bits, so they get ranks for scores.
    untied = {
        query: {passage: float(-rank) for rank, passage in enumerate(passages)}
        for query, passages in ranked(judged_run)
    }
    sources = dict(zip(MEASURES, (RR @ 10, nDCG @ 10, R @ 10, R @ 100, AP), strict=True))
    names = {source: name for name, source in sources.items()}
    values = {measure: dict.fromkeys(judgements, 0.0) for measure in MEASURES}
    for metric in ir_measures.iter_calc(list(names), judgements, untied):
        values[names[metric.measure]][metric.query_id] = float(metric.value)
    return values
