"""Indexes of passage collections, and the engines behind them."""

from optical.index.index import Index
from optical.index.local import LocalEngine
from optical.index.local_workers import LocalWorkers
from optical.index.ray_workers import RayWorkers
from optical.index.searching import Hit

__all__ = ["Hit", "Index", "LocalEngine", "LocalWorkers", "RayWorkers"]
