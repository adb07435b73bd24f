"""How the entropy falls during the iterations."""

from dataclasses import dataclass
from typing import Literal

ScheduleName = Literal["annealed", "ipot", "constant"]

# Long runs are long because they are to converge at the final eps, not to approach it more slowly.
_LONGEST_ANNEALING = 80


@dataclass(frozen=True)
class Schedule:
    """1 / eps_t rises linearly and then stays: iteration t = 1..T runs at eps_t = eps * A / min(t, A).

    Attributes:
        eps: the final one, in units of the cost.
        iterations: T, at least 1.
        annealing: A, the iteration that is the first at the final eps, 1 to T.
    """

    eps: float
    iterations: int
    annealing: int

    @classmethod
    def named(cls, name: ScheduleName, eps: float, iterations: int) -> "Schedule":
        """Make one of the schedules that :func:`optical.transport.solve` describes."""
        annealing = {
            "annealed": min(max(1, int(0.8 * iterations)), _LONGEST_ANNEALING),
            "ipot": iterations,
            "constant": 1,
        }
        return cls(eps, iterations, annealing[name])

    @property
    def step(self) -> float:
        """By how much 1 / eps_t rises in an iteration."""
        return 1 / (self.eps * self.annealing)

    def at(self, iteration: int) -> float:
        """Return eps_t."""
        return self.eps * self.annealing / min(iteration, self.annealing)

    def falls_before(self, iteration: int) -> bool:
        """Say whether eps_t is smaller than in the iteration before."""
        return 1 < iteration <= self.annealing

    def may_stop_after(self, iteration: int) -> bool:
        """Say whether a pair may be found converged after this iteration: at the final eps, now and then."""
        return iteration >= self.annealing and (iteration - self.annealing) % 10 == 0
