"""Training losses: optimal transport and its rivals, one per file."""

import math
from collections.abc import Callable

from sentence_transformers import MultiVectorEncoder

from optical.errors import OpticalError
from optical.objectives.distillation_loss import DistillationLoss, TokenPairs
from optical.objectives.mean_pool import MeanPoolLoss
from optical.objectives.optimal_transport import Marginals, OptimalTransportLoss, SpecialTokens
from optical.objectives.weighted_sum import WeightedSumLoss

__all__ = [
    "DistillationLoss",
    "Marginals",
    "MeanPoolLoss",
    "OptimalTransportLoss",
    "SpecialTokens",
    "TokenPairs",
    "WeightedSumLoss",
    "make_objective",
]


def make_objective(
    formula: str,
    model: MultiVectorEncoder,
    *,
    eps: float = 0.01,
    special_tokens: SpecialTokens = "transport",
    marginals: Marginals = "uniform",
) -> DistillationLoss:
    """Make the loss that a formula such as ``optical``, ``mean-pool`` or ``optical + 0.5*mean-pool`` names.

    Args:
        formula: names of objectives, each with a weight if that is not 1, joined by ``+``.
        model: the student.
        eps: see :class:`OptimalTransportLoss`; other objectives do not look at it.
        special_tokens: likewise.
        marginals: likewise.

    Raises:
        OpticalError: an unknown name or a weight that is not a positive number.
    """
    objectives: dict[str, Callable[[], DistillationLoss]] = {
        "optical": lambda: OptimalTransportLoss(
            model, eps=eps, special_tokens=special_tokens, marginals=marginals
        ),
        "mean-pool": lambda: MeanPoolLoss(model),
    }
    terms: dict[str, tuple[float, DistillationLoss]] = {}
    for term in formula.split("+"):
        weight, star, name = term.rpartition("*")
        name = name.strip()
        if name not in objectives or name in terms:
            raise OpticalError(
                f"The objective {formula!r} has {name!r} in it. Add up different ones of: {', '.join(objectives)}."
            )
        terms[name] = (_positive(weight if star else "1", formula), objectives[name]())
    if [weight for weight, _ in terms.values()] == [1]:
        ((_, only),) = terms.values()
        return only
    return WeightedSumLoss(model, terms)


def _positive(weight: str, formula: str) -> float:
    try:
        value = float(weight)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise OpticalError(
            f"The objective {formula!r} has the weight {weight.strip()!r}. Give a positive number, as in 0.5*mean-pool."
        )
    return value
