"""Rankings of an index for a set of queries."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import track
from sentence_transformers import MultiVectorEncoder

from optical.bitext import QueryTranslations
from optical.collections import Run
from optical.index import Index

_TOGETHER = 64


def rank(
    index: Index,
    queries: Mapping[str, str],
    encoder: MultiVectorEncoder,
    k: int | None = None,
    *,
    translations: QueryTranslations | None = None,
    progress: bool = False,
) -> Run:
    """Search ``index`` with every query; return query id -> passage id -> score of the ``k`` best passages.

    Without ``k`` they are 100, or all passages of a smaller index. ``translations`` make it a hybrid search.

    Raises:
        OpticalError: as :meth:`optical.index.Index.search_many`.
    """
    depth = min(100, index.count) if k is None else k
    ids = list(queries)
    run: Run = {}
    for start in track(
        range(0, len(ids), _TOGETHER),
        description="Searching",
        console=Console(stderr=True),
        disable=not progress,
        transient=True,
    ):
        batch = ids[start : start + _TOGETHER]
        texts = [queries[query] for query in batch]
        results = index.search_many(texts, encoder, depth, translations=translations)
        run.update(
            {query: {hit.id: hit.score for hit in hits} for query, hits in zip(batch, results, strict=True)}
        )
    return run
