"""The two sides of an encoder: the modules that make query vectors and those that make passage vectors."""

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Router, Transformer
from torch import nn


def query_modules(encoder: MultiVectorEncoder) -> list[nn.Module]:
    """Return the modules that turn a query into token vectors, in order."""
    return _route(encoder, "query")


def document_modules(encoder: MultiVectorEncoder) -> list[nn.Module]:
    """Return the modules that turn a passage into token vectors, in order."""
    return _route(encoder, "document")


def query_transformer(encoder: MultiVectorEncoder) -> Transformer:
    """Return the first module of the query side: its ``tokenizer`` and its ``auto_model``."""
    return query_modules(encoder)[0]


def _route(encoder: MultiVectorEncoder, task: str) -> list[nn.Module]:
    modules = list(encoder.children())
    if len(modules) == 1 and isinstance(modules[0], Router):
        return list(modules[0].sub_modules[task])
    return modules
