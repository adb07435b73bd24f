"""Everything that decides what supervised training yields, apart from teacher and data."""

from dataclasses import dataclass

from optical.distillation.settings import TrainingSettings
from optical.encoders import FROM_BITEXT
from optical.errors import OpticalError
from optical.supervision.ranking_loss import parse_terms


def needs_bitext(student: str) -> bool:
    """Say whether a student is made from bitext, as "graft" and "graft:CHECKPOINT" are; an encoder is there already."""
    return student.partition(":")[0] in FROM_BITEXT


@dataclass(frozen=True)
class SupervisionSettings(TrainingSettings):
    """Settings of supervised training: those of :class:`TrainingSettings`, an example being a query, and these.

    Attributes:
        objective: "contrastive", "kl", or "contrastive + kl"; see :class:`optical.supervision.RankingLoss`.
        temperature: of the scores, in units of a cosine; likewise.
        hard_negatives: given negatives a query and step, drawn anew each time.
        depth: how many of the top-ranked passages of a query the negatives are drawn from.
    """

    objective: str = "contrastive"
    batch_size: int = 32
    held_back: int = 200
    temperature: float = 0.05
    hard_negatives: int = 1
    depth: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_positive("hard_negatives", "depth")
        self.require_rates("temperature")
        if self.temperature == 0:
            raise OpticalError("temperature is 0. It must be a positive number such as 0.05.")
        parse_terms(self.objective)
