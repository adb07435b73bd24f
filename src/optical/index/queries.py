"""Checks on a query's text before it is encoded."""

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Router

from optical.errors import OpticalError


def check_query_text(text: str, encoder: MultiVectorEncoder) -> None:
    """Raise :class:`OpticalError` if ``text`` is empty or has more tokens than ``encoder`` reads.

    Counted are the tokens of the query side's tokenizer with the prompt and the special tokens. An encoder
    cuts a longer query off without a word, and its user would never learn that half of it was not searched.
    """
    if not text.strip():
        raise OpticalError("The query is empty. Give it at least one word.")
    first = next(encoder.children())
    if isinstance(first, Router):
        first = first.sub_modules["query"][0]
    limit = _limit(first)
    prompt = encoder.prompts.get("query", "")
    if limit is None:
        return
    tokens = len(first.tokenizer(prompt + text, truncation=False, verbose=False)["input_ids"])
    if tokens > limit:
        beginning = text if len(text) <= 60 else f"{text[:60]}..."
        raise OpticalError(
            f"The query has {tokens} tokens, but this encoder reads {limit} at most. Shorten {beginning!r}."
        )


def _limit(transformer: object) -> int | None:
    expansion = getattr(transformer, "query_expansion", None)
    if expansion is not None and expansion["strategy"] == "fixed":
        return int(expansion["length"])
    limit = getattr(transformer, "query_length", None) or getattr(transformer, "max_seq_length", None)
    # A tokenizer without a limit of its own reports an astronomical number.
    positions = getattr(getattr(transformer, "config", None), "max_position_embeddings", None)
    limits = [int(each) for each in (limit, positions) if each is not None]
    return min(limits, default=None)
