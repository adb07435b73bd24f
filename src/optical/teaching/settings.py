"""Everything that decides what teaching yields, apart from teacher and data."""

from dataclasses import dataclass

from optical.distillation.settings import TrainingSettings
from optical.errors import OpticalError


@dataclass(frozen=True)
class TokenSettings(TrainingSettings):
    """Settings of learning token vectors: those of :class:`TrainingSettings`, an example being a text, and these.

    Attributes:
        bfloat16: compute teacher and student in bfloat16; None = the student, where the device is a GPU that can.
        student: "small", or the Hub id or folder of an encoder with the teacher's tokenizer.
        layers: of a small student.
        width: of its body.
        embedding_width: of its input embeddings.
    """

    student: str = "small"
    objective: str = "token-cosine"
    steps: int = 5000
    batch_size: int = 256
    embedding_learning_rate: float = 4e-3
    learning_rate: float = 2e-3
    held_back: int = 1000
    layers: int = 3
    width: int = 192
    embedding_width: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_positive("layers", "width", "embedding_width")


@dataclass(frozen=True)
class RankingSettings(TrainingSettings):
    """Settings of learning to rank: those of :class:`TrainingSettings`, an example being a query, and these.

    Attributes:
        student: Hub id or folder of the encoder to start from.
        objective: "contrastive", or "kl" where a cross-encoder gives the scores.
        temperature: the encoder's scores, sums of cosines, are divided by it; a cross-encoder's stay as they are.
        hard_negatives: hard negatives beside the relevant passage in each example; "kl" needs one.
        depth: how many of the passages ranked highest the hard negatives are drawn from; more than ``hard_negatives``,
            as the relevant passage is often among them.
        chunk: texts that are encoded at once; bounds the memory that a large batch takes.
    """

    student: str = ""
    objective: str = "contrastive"
    steps: int = 500
    batch_size: int = 64
    embedding_learning_rate: float = 5e-4
    learning_rate: float = 2e-4
    held_back: int = 300
    temperature: float = 1.0
    hard_negatives: int = 1
    depth: int = 30
    chunk: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_positive("depth", "chunk")
        self.require_rates("temperature")
        if self.temperature == 0:
            raise OpticalError("temperature is 0. It must be a positive number such as 1.")
        if not 0 <= self.hard_negatives < self.depth:
            raise OpticalError(
                f"hard_negatives is {self.hard_negatives}, of a depth of {self.depth}. It must be a number from 0 to "
                "below depth."
            )
        if self.objective == "kl" and self.hard_negatives == 0:
            raise OpticalError(
                "hard_negatives is 0, so that a cross-encoder has nothing to compare the relevant passage with. Set it "
                "to 1 or more, or leave the cross-encoder out."
            )
