"""Indexes of passage collections, and the engines behind them."""

from optical.index.engine import Engine
from optical.index.exact import ExactEngine
from optical.index.index import Hit, Index

__all__ = ["Engine", "ExactEngine", "Hit", "Index"]
