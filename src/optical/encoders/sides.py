"""The two sides of an encoder: the modules that make query vectors and those that make passage vectors."""

from collections.abc import Sequence
from typing import Any

from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base.modules import Router, Transformer
from torch import nn


def query_modules(encoder: MultiVectorEncoder | CrossEncoder) -> list[nn.Module]:
    """Return the modules that turn a query into token vectors, in order."""
    return _route(encoder, "query")


def document_modules(encoder: MultiVectorEncoder | CrossEncoder) -> list[nn.Module]:
    """Return the modules that turn a passage into token vectors, in order."""
    return _route(encoder, "document")


def query_transformer(encoder: MultiVectorEncoder) -> Transformer:
    """Return the first module of the query side: its ``tokenizer`` and its ``auto_model``."""
    return query_modules(encoder)[0]


def query_lengths(encoder: MultiVectorEncoder, texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text has as a query, prompt and special tokens included, nothing cut off."""
    return _lengths(query_transformer(encoder), encoder.prompts.get("query"), texts)


def document_lengths(encoder: MultiVectorEncoder, texts: Sequence[str]) -> list[int]:
    """Return the same of texts as passages."""
    return _lengths(document_modules(encoder)[0], encoder.prompts.get("document"), texts)


def knows_nothing_of(encoder: MultiVectorEncoder, query: str) -> bool:
    """Return whether all words and numbers of a query are unknown to the encoder's vocabulary.

    So are those of a script that it never saw; punctuation, which it may know, does not count.
    """
    tokenizer = query_transformer(encoder).tokenizer
    unknown = tokenizer.unk_token_id
    if unknown is None or not any(map(str.isalnum, query)):  # without an unknown token, it knows all bytes
        return False
    ids = tokenizer(query, add_special_tokens=False, verbose=False)["input_ids"]
    known = (tokenizer.decode([token]) for token in ids if token != unknown)
    return unknown in ids and not any(any(map(str.isalnum, token)) for token in known)


def query_limit(encoder: MultiVectorEncoder) -> int | None:
    """Return how many tokens of a query the encoder reads before it cuts the rest off; None = no limit."""
    transformer = query_transformer(encoder)
    if transformer.query_expansion is not None and transformer.query_expansion["strategy"] == "fixed":
        return int(transformer.query_expansion["length"])
    return _limit(transformer, transformer.query_length)


def document_limit(encoder: MultiVectorEncoder) -> int | None:
    """Return how many tokens of a passage the encoder reads before it cuts the rest off; None = no limit."""
    transformer = document_modules(encoder)[0]
    return _limit(transformer, getattr(transformer, "document_length", None))


def _lengths(transformer: Any, prompt: str | None, texts: Sequence[str]) -> list[int]:
    if not texts:
        return []  # the tokenizers below fail on no text at all
    texts = [(prompt or "") + text for text in texts]
    encoded = transformer.tokenizer(texts, padding=False, truncation=False, verbose=False)
    return [len(ids) for ids in encoded["input_ids"]]


def _limit(transformer: Any, own: int | None) -> int | None:
    limits = (
        own or getattr(transformer, "max_seq_length", None),
        getattr(getattr(transformer, "config", None), "max_position_embeddings", None),
    )
    # Some configurations say -1 where there is no limit.
    return min((int(limit) for limit in limits if limit is not None and limit > 0), default=None)


def _route(encoder: MultiVectorEncoder | CrossEncoder, task: str) -> list[nn.Module]:
    modules = list(encoder.children())
    if len(modules) == 1 and isinstance(modules[0], Router):
        return list(modules[0].sub_modules[task])
    return modules
