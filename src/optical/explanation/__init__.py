"""Why a passage was found: which of its words answer which words of the query."""

from optical.explanation.matches import Explanation, Match, Word, explain
from optical.explanation.page import explanation_page

__all__ = ["Explanation", "Match", "Word", "explain", "explanation_page"]
