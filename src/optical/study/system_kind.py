"""What all kinds of system in a study have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from optical.rivals import System
from optical.study.workplace import Workplace


@dataclass(frozen=True)
class Made:
    """A system made for one language, amount of bitext and seed.

    Attributes:
        search: gives the system that searches the passages of a test, by the test's name.
        record: what its making has to say of itself.
        tidy: removes what is not needed any more once the system was measured.
    """

    search: Callable[[str], System]
    record: dict[str, Any] = field(default_factory=dict)
    tidy: Callable[[], None] = lambda: None


class SystemKind(ABC):
    """How a system is made.

    Attributes:
        name: of the kind in the configuration.
        settings_of: class of the settings of its training, if it is trained; in the configuration they stand beside its
            own fields.
        reads_bitext: whether it depends on the bitext, and so on its amount.
        seeded: whether it depends on the seed.
        asks_in_english: whether it is given the human translations of the questions.
        code: the parts of this package that decide what it finds.
    """

    name: ClassVar[str]
    settings_of: ClassVar[type[Any] | None] = None
    reads_bitext: ClassVar[bool] = False
    seeded: ClassVar[bool] = False
    asks_in_english: ClassVar[bool] = False
    code: ClassVar[tuple[str, ...]]

    @property
    def parts(self) -> list[str]:
        """Return the names of the systems whose runs this one combines."""
        return []

    @property
    def judged_queries(self) -> str:
        """Return the name of the set of judged queries that this one learns from; "" = none."""
        return ""

    @property
    def checkpoint(self) -> str:
        """Return the Hub id or folder that it starts from or searches with; "" = none but the teacher."""
        return ""

    @abstractmethod
    def make(self, place: Workplace) -> Made:
        """Make the system; what it takes long to make lies in the workplace until it was measured."""

    def as_dict(self) -> dict[str, Any]:
        """Return what identifies the kind and its settings."""
        return {"kind": self.name, **vars(self)}
