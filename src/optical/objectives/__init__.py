"""Training losses: optimal transport and its rivals, one per file."""

import math
from collections.abc import Callable

from sentence_transformers import MultiVectorEncoder

from optical.errors import OpticalError
from optical.objectives.adversarial import AdversarialLoss
from optical.objectives.adversarial_alternating import AlternatingAdversarialLoss
from optical.objectives.contrastive import ContrastiveLoss
from optical.objectives.distillation_loss import DistillationLoss, TokenPairs
from optical.objectives.greedy_alignment import GreedyAlignmentLoss
from optical.objectives.hard_max import HardMaxLoss
from optical.objectives.mean_pool import MeanPoolLoss
from optical.objectives.objective import Objective
from optical.objectives.optimal_transport import Marginals, OptimalTransportLoss, SpecialTokens
from optical.objectives.weighted_sum import WeightedSumLoss

__all__ = [
    "AdversarialLoss",
    "AlternatingAdversarialLoss",
    "ContrastiveLoss",
    "DistillationLoss",
    "GreedyAlignmentLoss",
    "HardMaxLoss",
    "Marginals",
    "MeanPoolLoss",
    "Objective",
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
    steps: int = 300,
    seed: int = 0,
) -> DistillationLoss:
    """Make the loss that a formula such as ``optical``, ``mean-pool`` or ``optical + 0.5*mean-pool`` names.

    ========================  ====================================
    name                      loss
    ========================  ====================================
    optical                   :class:`OptimalTransportLoss`
    mean-pool                 :class:`MeanPoolLoss`
    greedy                    :class:`GreedyAlignmentLoss`
    hard-max                  :class:`HardMaxLoss`
    contrastive               :class:`ContrastiveLoss`
    adversarial               :class:`AdversarialLoss`
    adversarial-alternating   :class:`AlternatingAdversarialLoss`
    ========================  ====================================

    Args:
        formula: names of objectives, each with a weight if that is not 1, joined by ``+``.
        model: the student.
        eps: see :class:`OptimalTransportLoss`; other objectives do not look at it.
        special_tokens: likewise.
        marginals: likewise.
        steps: of the whole training; see :class:`AdversarialLoss`, the only one that looks at it.
        seed: of the weights that the adversarial objectives learn.

    Raises:
        OpticalError: an unknown name or a weight that is not a positive number.
    """
    objectives: dict[str, Callable[[], DistillationLoss]] = {
        "optical": lambda: OptimalTransportLoss(
            model, eps=eps, special_tokens=special_tokens, marginals=marginals
        ),
        "mean-pool": lambda: MeanPoolLoss(model),
        "greedy": lambda: GreedyAlignmentLoss(model),
        "hard-max": lambda: HardMaxLoss(model),
        "contrastive": lambda: ContrastiveLoss(model),
        "adversarial": lambda: AdversarialLoss(model, steps=steps, seed=seed),
        "adversarial-alternating": lambda: AlternatingAdversarialLoss(model, seed=seed),
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
