"""Checks on a query's text before it is encoded."""

from collections.abc import Sequence

from sentence_transformers import MultiVectorEncoder

from optical.encoders import query_lengths, query_limit
from optical.errors import OpticalError


def check_query_texts(texts: Sequence[str], encoder: MultiVectorEncoder) -> None:
    """Raise :class:`OpticalError` if a text is empty or has more tokens than ``encoder`` reads.

    An encoder cuts a longer query off without a word, and its user would never learn that half of it was not
    searched.
    """
    if not all(text.strip() for text in texts):
        raise OpticalError("The query is empty. Give it at least one word.")
    limit = query_limit(encoder)
    if limit is None:
        return
    for text, tokens in zip(texts, query_lengths(encoder, texts), strict=True):
        if tokens > limit:
            beginning = text if len(text) <= 60 else f"{text[:60]}..."
            raise OpticalError(
                f"The query has {tokens} tokens, but this encoder reads {limit} at most. Shorten {beginning!r}."
            )
