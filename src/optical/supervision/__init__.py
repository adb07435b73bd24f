"""Training on judged queries: from (foreign query, English passage) to a saved artefact."""

from optical.supervision.examples import JudgedQueries, read_judged_queries
from optical.supervision.ranking_loss import RankingLoss
from optical.supervision.settings import SupervisionSettings
from optical.supervision.training import supervise

__all__ = ["JudgedQueries", "RankingLoss", "SupervisionSettings", "read_judged_queries", "supervise"]
