"""Search with an encoder: the teacher, a student, or any other."""

from collections.abc import Mapping

from sentence_transformers import MultiVectorEncoder

from optical.collections import Run
from optical.evaluation import rank
from optical.index import Index


class EncoderSearch:
    """A query encoder and an index of passages that it can search.

    Args:
        encoder: its query side makes the query vectors.
        index: made with an encoder of the same document side.
    """

    def __init__(self, encoder: MultiVectorEncoder, index: Index) -> None:
        self._encoder = encoder
        self._index = index

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`."""
        return rank(self._index, queries, self._encoder, min(depth, self._index.count))
