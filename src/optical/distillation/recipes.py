"""Settings that belong together, by name."""

from typing import Any

from optical.errors import OpticalError

RECIPES: dict[str, dict[str, Any]] = {
    # Huang, Yu and Allan 2023, section 4: optimal transport between all tokens, each weighing the same, as the only
    # loss; all weights learn at one rate. A query's score is plain MaxSim.
    "paper": {
        "weighted": False,
        "objective": "optical",
        "special_tokens": "transport",
        "marginals": "uniform",
        "embedding_learning_rate": 2e-4,
        "learning_rate": 2e-4,
    },
}
"""Deviations from the defaults of :class:`optical.distillation.Settings`, which are the best that we know."""


def recipe_settings(name: str) -> dict[str, Any]:
    """Return the settings of a recipe.

    Raises:
        OpticalError: there is none of this name.
    """
    if name not in RECIPES:
        raise OpticalError(f"There is no recipe {name!r}. Choose one of: {', '.join(RECIPES)}.")
    return dict(RECIPES[name])
