"""Indexes of passage collections, and the engines behind them."""

from optical.index.index import Hit, Index
from optical.index.local import LocalEngine

__all__ = ["Hit", "Index", "LocalEngine"]
