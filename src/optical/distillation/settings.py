"""Everything that decides what a training run yields, apart from teacher and data."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import get_args

from optical.errors import OpticalError
from optical.objectives import Marginals, SpecialTokens


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of any training run, whatever it learns from.

    Attributes:
        student: "graft", "accented-graft", "transplant", the Hub id or folder of a checkpoint, or "graft:CHECKPOINT"
            and so on.
        objective: formula of the training loss.
        steps: optimiser steps.
        batch_size: examples a step and process; a distillation with fewer takes all.
        embedding_learning_rate: peak rate of the input embeddings; most of a new language is learned there.
        learning_rate: peak rate of all other weights of the student.
        held_back: examples kept for development (fewer when there are few).
        evaluations: how often during training the student is evaluated and saved; the best one is the result.
        dimension: of the projection, for a teacher that is no late-interaction checkpoint.
        bfloat16: compute the student in bfloat16; None = where the device is a GPU that can.
        seed: orders the batches, divides the examples and draws new projections.
    """

    student: str = "graft"
    objective: str = ""
    steps: int = 300
    batch_size: int = 64
    embedding_learning_rate: float = 3e-3
    learning_rate: float = 2e-4
    held_back: int = 500
    evaluations: int = 4
    dimension: int = 128
    bfloat16: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self.require_positive("steps", "batch_size", "held_back", "evaluations", "dimension")
        self.require_rates("embedding_learning_rate", "learning_rate")

    def require_positive(self, *names: str) -> None:
        """Raise :class:`OpticalError` if one of these settings is below 1."""
        for name in names:
            if getattr(self, name) < 1:
                raise OpticalError(f"{name} is {getattr(self, name)}. It must be at least 1.")

    def require_rates(self, *names: str) -> None:
        """Raise :class:`OpticalError` if one of these settings is no finite number from 0 up."""
        for name in names:
            if not 0 <= getattr(self, name) < math.inf:
                raise OpticalError(f"{name} is {getattr(self, name)}. It must be a number from 0 up.")

    def as_dict(self) -> dict[str, object]:
        """Return the settings by name."""
        return asdict(self)


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """Settings of a distillation run: those of :class:`TrainingSettings`, an example being a sentence pair, and these.

    Attributes:
        weighted: whether the tokens of a query count by rarity and certainty (see
            :mod:`optical.encoders.term_weights`) or all the same, in a student whose vocabulary comes from the bitext.
        objective: e.g. "optical" or "optical + 0.5*mean-pool"; the names are those of
            :func:`optical.objectives.make_objective`.
        eps: entropy of the transport plan, in units of the cost; see :class:`optical.objectives.OptimalTransportLoss`.
        special_tokens: what becomes of [CLS], [SEP] and query-expansion tokens in the transport: "transport",
            "match" or "ignore".
        marginals: weights of the tokens in the transport: "uniform", or "idf" (rare ones weigh more).
        discriminator_learning_rate: peak rate of the weights that an adversarial objective learns besides the student.
        max_tokens: pairs with more tokens on either side are left out, as cutting them would misalign them.
    """

    weighted: bool = True
    objective: str = "optical + mean-pool"
    eps: float = 0.01
    special_tokens: SpecialTokens = "transport"
    marginals: Marginals = "uniform"
    discriminator_learning_rate: float = 5e-3
    max_tokens: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_positive("max_tokens")
        self.require_rates("discriminator_learning_rate")
        for name, choices in (("special_tokens", SpecialTokens), ("marginals", Marginals)):
            if getattr(self, name) not in get_args(choices):
                raise OpticalError(
                    f"{name} is {getattr(self, name)!r}. Choose one of {', '.join(get_args(choices))}."
                )
        if not 1e-4 <= self.eps < math.inf:
            raise OpticalError(f"eps is {self.eps}. It must be at least 0.0001; 0.01 is a good value.")


def identity(settings: TrainingSettings, teacher: list[str], data: str) -> str:
    """Name a run by all that decides its result: settings, fingerprints of the teacher, digest of the data."""
    content = json.dumps([settings.as_dict(), teacher, data], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
