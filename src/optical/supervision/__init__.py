"""Training on judged queries: from (foreign query, English passage) to a saved artefact."""

from optical.supervision.examples import JudgedQueries, read_judged_queries
from optical.supervision.passage_vectors import passage_vectors
from optical.supervision.ranking_loss import RankingLoss
from optical.supervision.settings import SupervisionSettings, needs_bitext
from optical.supervision.training import supervise

__all__ = [
    "JudgedQueries",
    "RankingLoss",
    "SupervisionSettings",
    "needs_bitext",
    "passage_vectors",
    "read_judged_queries",
    "supervise",
]
