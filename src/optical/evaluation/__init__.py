"""Measures over runs, and whether their differences are more than chance."""

from optical.evaluation.comparison import Comparison, compare_runs
from optical.evaluation.measures import MEASURES, evaluate, per_query
from optical.evaluation.ranking import rank
from optical.evaluation.significance import holm, paired_randomisation

__all__ = [
    "MEASURES",
    "Comparison",
    "compare_runs",
    "evaluate",
    "holm",
    "paired_randomisation",
    "per_query",
    "rank",
]
