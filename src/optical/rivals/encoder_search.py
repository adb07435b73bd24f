"""Search with an encoder: the teacher, a student, or any other."""

from collections.abc import Mapping, Sequence

from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.collections import Run
from optical.encoders import maxsim_scores

_TOGETHER = 256


class EncoderSearch:
    """A query encoder and passages, every one of which is compared with every query, on the encoder's device.

    Args:
        encoder: its query side makes the query vectors.
        passages: id -> token vectors (n, d) of an encoder with the same document side; all of them are in memory, so
            that collections beyond some 100,000 passages are for :class:`optical.Index`.
    """

    def __init__(self, encoder: MultiVectorEncoder, passages: Mapping[str, Tensor]) -> None:
        self._encoder = encoder
        # In the order of ids, so that a stable sort breaks ties as `ranked` does.
        self._ids = sorted(passages)
        self._vectors = [passages[passage] for passage in self._ids]

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`."""
        ids = list(queries)
        run: Run = {}
        for start in range(0, len(ids), _TOGETHER):
            run.update(
                self._search({query: queries[query] for query in ids[start : start + _TOGETHER]}, depth)
            )
        return run

    def _search(self, queries: Mapping[str, str], depth: int) -> Run:
        vectors: Sequence[Tensor] = self._encoder.encode_query(list(queries.values()), batch_size=64)
        scores = maxsim_scores(vectors, self._vectors, self._encoder.device)
        best, places = (each[:, :depth].tolist() for each in scores.sort(descending=True, stable=True))
        return {
            query: {self._ids[place]: score for place, score in zip(row, found, strict=True)}
            for query, row, found in zip(queries, places, best, strict=True)
        }
