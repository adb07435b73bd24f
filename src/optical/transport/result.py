"""What solving a batch of transport problems yields."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Transport:
    """The transport between the tokens of B sentence pairs, in float32 (float64 for float64 vectors).

    cost: (B,) <P, C>, the distance of a token from where it is sent, times the mass that is sent. 0 to 2.
        Differentiable with respect to the vectors through C alone: the plan P is held constant.
    value: (B,) the optimum of the whole problem, entropy and penalties included. Of the same gradient, which at the
        optimum is the exact one (envelope theorem).
    f: (B, n) teacher-side potentials, in units of the cost, detached: P_ij = a_i b_j exp((f_i + g_j - C_ij) / eps).
        0 for padding.
    g: (B, m) student-side potentials, likewise.
    row_violation: (B,) 0 to 2, detached: how far the plan's row sums are from those that one more iteration would give
        it, sum_i |sum_j P_ij - a_i| where the teacher-side marginal is binding. The student side is updated last: its
        binding marginal is exact.
    iterations: (B,) int64, how many each pair was given.
    valid: (B,) bool, False where there was nothing to solve: a side without a real token, or a real vector with NaN or
        infinity in it. All else is 0 for such a pair, and it has no gradient.
    """

    cost: Tensor
    value: Tensor
    f: Tensor
    g: Tensor
    row_violation: Tensor
    iterations: Tensor
    valid: Tensor
    _plan: Tensor | None

    @property
    def plan(self) -> Tensor:
        """(B, n, m) P, detached.

        ``plan[p, i, j]`` is the mass that goes from teacher token i of pair p to student token j; it is 0 on padding.

        Raises:
            ValueError: the plan was not kept.
        """
        if self._plan is None:
            raise ValueError("the plan was not kept; call solve with keep_plan=True")
        return self._plan
