"""What supervised training needs of a collection: queries with a better passage and worse ones."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from optical.collections.collection import Collection
from optical.collections.runs import Run, ranked
from optical.errors import OpticalError

_logger = logging.getLogger(__name__)


class TrainingExample(NamedTuple):
    """A query, a passage that answers it, and passages that do not (perhaps none)."""

    query: str
    positive: str
    negatives: list[str]


def training_triples(
    collection: Collection,
    passages: Collection | None = None,
    *,
    language: str | None = None,
    negatives: Run | None = None,
    most_negatives: int = 8,
) -> Iterator[TrainingExample]:
    """Yield training examples, one for each relevant judgement or each triple.

    Without ``negatives``, a collection that has triples (``msmarco-passage/train/triples-small``,
    ``mmarco/.../train``) is read by them, streaming. Otherwise its judgements count: 1 and above is positive, 0
    and below negative, and after those the passages that ``negatives`` ranks highest and nobody judged
    relevant. Queries, passages and triples that name what is not there are left out; a warning counts them.

    Args:
        collection: queries and judgements or triples.
        passages: where the passages are, if elsewhere: foreign queries of mMARCO against the English passages
            of MS MARCO, which have the same ids.
        language: language of the queries, as :meth:`Collection.queries` takes it.
        negatives: a run over the same ids.
        most_negatives: how many negatives an example has at most.

    Raises:
        OpticalError: a part is missing or breaks its format, or no example is left.
    """
    queries = collection.queries(language)
    triples = collection.triples() if negatives is None else None
    if triples is None:
        ids = list(_judged(collection, negatives, most_negatives))
        wanted = {passage for _, positive, others in ids for passage in (positive, *others)}
        examples = iter(ids)
    else:
        wanted = None
        examples = ((query, positive, [negative]) for query, positive, negative in triples)
    texts = (passages or collection).contents(wanted)
    made = unknown_queries = unknown_passages = 0
    for query, positive, others in examples:
        if query not in queries:
            unknown_queries += 1
            continue
        better = texts.get(positive)
        worse = [text for text in map(texts.get, others) if text is not None]
        unknown_passages += (better is None) + len(others) - len(worse)
        if better is not None:
            made += 1
            yield TrainingExample(queries[query], better, worse)
    if unknown_queries or unknown_passages:
        _logger.warning(
            "%s: %d examples left out whose query is not there; %d passages named that are not in %s.",
            collection.source,
            unknown_queries,
            unknown_passages,
            (passages or collection).source,
        )
    if not made:
        raise OpticalError(
            f"{collection.source} makes no training example: no judged query has a relevant passage that is there. "
            "Check that queries, judgements and passages have the same ids."
        )


def _judged(
    collection: Collection, negatives: Run | None, most_negatives: int
) -> Iterator[tuple[str, str, list[str]]]:
    judgements = collection.judgements()
    ranking = dict(
        ranked({query: scores for query, scores in (negatives or {}).items() if query in judgements})
    )
    for query, judged in judgements.items():
        irrelevant = [passage for passage, relevance in judged.items() if relevance < 1]
        mined = (passage for passage in ranking.get(query, []) if passage not in judged)
        others = [*irrelevant, *mined][:most_negatives]
        for passage, relevance in judged.items():
            if relevance >= 1:
                yield query, passage, others
