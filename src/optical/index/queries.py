"""Checks on a query's text before it is encoded."""

from sentence_transformers import MultiVectorEncoder

from optical.encoders import query_lengths, query_limit
from optical.errors import OpticalError


def check_query_text(text: str, encoder: MultiVectorEncoder) -> None:
    """Raise :class:`OpticalError` if ``text`` is empty or has more tokens than ``encoder`` reads.

    An encoder cuts a longer query off without a word, and its user would never learn that half of it was not
    searched.
    """
    if not text.strip():
        raise OpticalError("The query is empty. Give it at least one word.")
    limit = query_limit(encoder)
    (tokens,) = query_lengths(encoder, [text])
    if limit is not None and tokens > limit:
        beginning = text if len(text) <= 60 else f"{text[:60]}..."
        raise OpticalError(
            f"The query has {tokens} tokens, but this encoder reads {limit} at most. Shorten {beginning!r}."
        )
