"""How the student ranks passages for the queries that were held back."""

import random
from collections.abc import Sequence

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.evaluation import BaseEvaluator
from torch import Tensor

from optical.distillation.vector_file import VectorFile
from optical.encoders import maxsim_scores
from optical.errors import OpticalError
from optical.supervision.examples import JudgedQueries

PRIMARY_METRIC = "mrr_10"
_DEPTH = 10
_POOL = 2000
_BLOCK = 256


class RankingEvaluator(BaseEvaluator):
    """Mean reciprocal rank within the first ten (``mrr_10``) of held-back queries; the higher, the better.

    Ranked by MaxSim are the passages relevant to these queries and others of the examples, negatives of these queries
    first, up to 2000 in all. Ties count against the student.

    Args:
        examples: judged queries.
        development: the numbers of those held back.
        vectors: the teacher's of the passages, by number; None: the model's own, made anew at every call.
        seed: draws the other passages.

    Raises:
        OpticalError: (when called) the student's vectors are not finite.
    """

    def __init__(
        self, examples: JudgedQueries, development: Sequence[int], vectors: VectorFile | None, seed: int
    ) -> None:
        super().__init__()
        self.primary_metric = PRIMARY_METRIC
        self._queries = [examples.queries[query] for query in development]
        self._passages = examples.passages
        self._vectors = vectors
        judged = dict.fromkeys(passage for query in development for passage in examples.relevant[query])
        near = [passage for query in development for passage in examples.negatives[query]]
        generator = random.Random(seed)
        generator.shuffle(near)
        others = generator.sample(range(len(examples.passages)), len(examples.passages))
        pool = dict.fromkeys([*judged, *near, *others])
        self._pool = list(pool)[: max(_POOL, len(judged))]
        places = {passage: place for place, passage in enumerate(self._pool)}
        self._relevant = torch.zeros(len(self._queries), len(self._pool), dtype=torch.bool)
        for row, query in enumerate(development):
            self._relevant[row, [places[passage] for passage in examples.relevant[query]]] = True

    def __call__(
        self, model: MultiVectorEncoder, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the figure by name."""
        students = model.encode_query(self._queries, batch_size=64)
        if not all(bool(vectors.isfinite().all()) for vectors in students):
            raise OpticalError(
                "Training diverged: the student's vectors are not finite. Lower the learning rates."
            )
        blocks = [self._pool[start : start + _BLOCK] for start in range(0, len(self._pool), _BLOCK)]
        scores = torch.cat(
            [maxsim_scores(students, self._passage_vectors(model, block), model.device) for block in blocks],
            dim=1,
        )
        best = scores.masked_fill(~self._relevant, -torch.inf).max(1, keepdim=True).values
        ranks = 1 + ((scores >= best) & ~self._relevant).sum(1)
        return {PRIMARY_METRIC: float(torch.where(ranks <= _DEPTH, 1 / ranks, 0).mean())}

    def _passage_vectors(self, model: MultiVectorEncoder, passages: Sequence[int]) -> list[Tensor]:
        if self._vectors is not None:
            return [self._vectors[passage] for passage in passages]
        return list(model.encode_document([self._passages[passage] for passage in passages], batch_size=32))
