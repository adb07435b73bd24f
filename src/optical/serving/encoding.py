"""The queries of a batch as vectors, of which each may fail for itself."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import MultiVectorEncoder

from optical.encoders import knows_nothing_of
from optical.errors import OpticalError
from optical.index.checks import check_query, check_query_texts
from optical.serving.answers import UnreadableError
from optical.serving.batching import LARGEST_BATCH

Vectors: TypeAlias = npt.NDArray[np.float32]


def encode_each(encoder: MultiVectorEncoder, texts: Sequence[str]) -> list[Vectors | Exception]:
    """Return the vectors (tokens, dimension) of each text, or why it has none."""
    results: list[Any] = [_unreadable(encoder, text) for text in texts]
    good = [place for place, error in enumerate(results) if error is None]
    vectors = _encode(encoder, [texts[place] for place in good]) if good else []
    for place, each in zip(good, vectors, strict=True):
        results[place] = each
    return results


def check_searchable(vectors: Vectors, dimension: int) -> None:
    """Check what an encoder made of a query.

    Raises:
        UnreadableError: there is nothing.
        OpticalError: it is not (tokens, ``dimension``), or has NaN or infinity.
    """
    if len(vectors) == 0:
        raise UnreadableError("The encoder finds nothing to search for in the query. Give it other words.")
    check_query(torch.from_numpy(vectors), dimension)


def check_known(text: str, encoder: MultiVectorEncoder) -> None:
    """Raise :class:`UnreadableError` if ``encoder`` knows no word of a query: any passage would do then."""
    if knows_nothing_of(encoder, text):
        raise UnreadableError(
            "The encoder knows no word of the query. Ask in a language that is served, in its own script."
        )


def _unreadable(encoder: MultiVectorEncoder, text: str) -> Exception | None:
    try:
        check_query_texts([text], encoder)
    except OpticalError as error:
        return UnreadableError(str(error))
    except Exception as error:
        return error
    return None


def _encode(encoder: MultiVectorEncoder, texts: list[str]) -> Sequence[Vectors | Exception]:
    try:
        return list(encoder.encode_query(texts, batch_size=LARGEST_BATCH, convert_to_numpy=True))
    except Exception as error:
        if len(texts) == 1:
            return [error]
    return [each for text in texts for each in _encode(encoder, [text])]
