"""Hard negatives: passages that an encoder ranks high for a query though they are not judged relevant."""

import hashlib
import json
from pathlib import Path

from sentence_transformers import MultiVectorEncoder

from optical.collections import open_collection, read_judgements, read_queries, write_run
from optical.errors import OpticalError
from optical.evaluation import rank
from optical.index import Index

REMEDY = "Raise depth, or lower hard_negatives; 0 mines none."


def mine(
    encoder: MultiVectorEncoder,
    queries: str | Path,
    passages: str | Path,
    judgements: str | Path,
    mined: Path,
    depth: int,
    *,
    progress: bool = False,
) -> None:
    """Rank all passages for the queries that have a relevant one.

    Args:
        encoder: ranks.
        queries: see :func:`optical.supervision.read_judged_queries`, as for the next two.
        passages: all go into an index beside ``mined``.
        judgements: which queries have a relevant passage.
        mined: TREC run to write.
        depth: passages ranked for each query.

    Raises:
        OpticalError: bad input, or nothing but relevant passages is ranked.
    """
    relevant = {
        query: {passage for passage, level in levels.items() if level >= 1}
        for query, levels in read_judgements(judgements).items()
    }
    asked = {query: text for query, text in read_queries(queries).items() if relevant.get(query)}
    folder = mined.with_name("index")
    if not folder.exists():
        Index.create(folder, encoder, open_collection(passages).passages(), progress=progress).close()
    with Index.open(folder) as index:
        run = rank(index, asked, encoder, min(depth, index.count), progress=progress)
    if all(set(scores) <= relevant[query] for query, scores in run.items()):
        raise OpticalError(
            f"The {depth} passages of {passages} ranked highest for each query are all relevant to it, so there is no "
            f"hard negative. {REMEDY}"
        )
    write_run(mined, run, "mined")


def digest_passages(passages: str | Path) -> str:
    """Return 32 hexadecimal digits (BLAKE2b) that name the ids and contents of all passages."""
    digest = hashlib.blake2b(digest_size=16)
    for passage in open_collection(passages).passages():
        digest.update(json.dumps([passage.id, passage.content]).encode())
    return digest.hexdigest()
