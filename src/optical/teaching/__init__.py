"""Making an English teacher: token vectors learned from a larger one, ranking learned from judged queries."""

from optical.teaching.ranking import teach_ranking
from optical.teaching.settings import RankingSettings, TokenSettings
from optical.teaching.tokens import teach_tokens

__all__ = ["RankingSettings", "TokenSettings", "teach_ranking", "teach_tokens"]
