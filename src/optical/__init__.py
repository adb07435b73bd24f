"""OPTICAL: cross-lingual search for low-resource languages by optimal-transport distillation.

Huang, Yu and Allan: Improving Cross-lingual Information Retrieval on Low-Resource Languages via
Optimal Transport Distillation, WSDM 2023, https://arxiv.org/abs/2301.12566.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optical.client import AsyncClient, Client
    from optical.distillation import distill
    from optical.evaluation import evaluate
    from optical.index import Index

__all__ = ["AsyncClient", "Client", "Index", "__version__", "distill", "evaluate"]
__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "optical.client",
    "Client": "optical.client",
    "Index": "optical.index",
    "distill": "optical.distillation",
    "evaluate": "optical.evaluation",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing torch takes seconds, and `optical --help` needs none of it.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'optical' has no attribute {name!r}")
