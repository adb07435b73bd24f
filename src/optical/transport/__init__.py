"""Optimal transport between the tokens of the two sides of a sentence pair: the problem, solver, result."""

from optical.transport.divergence import divergence
from optical.transport.plotting import plot
from optical.transport.relaxation import Partial, Relaxation, Unbalanced
from optical.transport.result import Transport
from optical.transport.solver import solve
from optical.transport.weights import idf_weights, unit_and_norm

__all__ = [
    "Partial",
    "Relaxation",
    "Transport",
    "Unbalanced",
    "divergence",
    "idf_weights",
    "plot",
    "solve",
    "unit_and_norm",
]
