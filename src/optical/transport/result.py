"""What solving a batch of transport problems yields."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Transport:
    """The transport between the tokens of B sentence pairs, in float32 (float64 for float64 vectors).

    cost: (B,) <P, C>, the expected distance of a token from where it is sent, 0 to 2. Differentiable with
        respect to the vectors through C alone: by the envelope theorem the plan P is held constant.
    plan: (B, n, m) P, detached. `plan[p, i, j]` is the share of pair p's mass that goes from teacher
        token i to student token j; it sums to 1 over a pair and is 0 on padding.
    row_violation: (B,) sum_i |sum_j P_ij - a_i|, 0 to 2, detached: how far the plan is from the teacher-side
        marginal. The student-side marginal is updated last and therefore exact.
    valid: (B,) bool, False where there was nothing to solve: a side without a real token, or a real vector
        with NaN or infinity in it. Such a pair has cost, plan and row violation 0, and no gradient.
    """

    cost: torch.Tensor
    plan: torch.Tensor
    row_violation: torch.Tensor
    valid: torch.Tensor
