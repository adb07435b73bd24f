"""Optimal transport between the tokens of the two sides of a sentence pair: the problem, solver, result."""

from optical.transport.result import Transport
from optical.transport.solver import solve

__all__ = ["Transport", "solve"]
