"""Indexes in collections of a Qdrant server or cluster."""

from optical.index.cluster.place import ClusterPlace

__all__ = ["ClusterPlace"]
