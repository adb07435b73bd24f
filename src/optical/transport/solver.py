"""The transport problem of OPTICAL, solved for a whole batch of sentence pairs at once."""

import math
from typing import get_args

import torch

from optical.transport.batch import transport
from optical.transport.checks import check_shapes
from optical.transport.relaxation import BALANCED, Partial, Relaxation
from optical.transport.result import Transport
from optical.transport.schedule import Schedule, ScheduleName


def solve(
    x: torch.Tensor,
    y: torch.Tensor,
    x_mask: torch.Tensor,
    y_mask: torch.Tensor,
    *,
    a: torch.Tensor | None = None,
    b: torch.Tensor | None = None,
    eps: float = 0.01,
    iterations: int = 100,
    tolerance: float | None = None,
    schedule: ScheduleName = "annealed",
    relaxation: Relaxation = BALANCED,
    keep_plan: bool = True,
) -> Transport:
    r"""Transport every pair's teacher tokens onto its student tokens.

    For each pair, over the couplings of the marginals a and b,

        P = argmin_{P >= 0}  <P, C> + eps KL(P | a b^T)
            subject to       sum_j P_ij = a_i,   sum_i P_ij = b_j,
        C_ij = 1 - x_i . y_j,   KL(P | Q) = sum_ij P_ij log(P_ij / Q_ij) - P_ij + Q_ij,

    and the cost of the pair is <P, C> without the entropy (Huang, Yu and Allan, WSDM 2023). The
    plan's own dependence on C is left out of the gradient: at the optimum of the linear problem it
    contributes nothing (envelope theorem), so d cost / d y_j = -sum_i P_ij x_i. Nothing of the iterations is kept for
    the backward pass, which is a product with vectors of the size of x and y.

    Args:
        x: (B, n, d) teacher vectors of unit norm; float16, bfloat16, float32 or float64.
        y: (B, m, d) student vectors of unit norm, of the same dtype and on the same device.
        x_mask: (B, n) bool, True where x holds a real token. What x holds elsewhere is never read.
        y_mask: (B, m) bool, likewise for y.
        a: (B, n) non-negative weights of the teacher tokens, normalised to sum to 1 over each pair's real
            tokens; a uniform weight if None. Weights of padding are never read. No
            gradient reaches weights, and on a GPU checking them makes the host wait.
        b: (B, m) weights of the student tokens, likewise.
        eps: strength of the entropy, in units of the cost (0 to 2). The larger, the more blurred the plan.
        iterations: Sinkhorn iterations T at the most. The smaller eps and the more the two lengths differ, the more
            are needed: watch `row_violation`.
        tolerance: a pair whose `row_violation` has come down to this (looked at every 10 iterations) gets no more
            iterations and costs no more time; None = every pair gets all iterations, whatever else is in its batch.
            No pair stops before eps has reached its final value. On a GPU, where the fused kernel does not apply, the
            host waits for the device every 10 iterations.
        schedule: how eps falls. "annealed": 1 / eps_t rises linearly for the first 0.8 T iterations (80 at the
            most) and then stays. "ipot": it rises to the last, which is the proximal point method IPOT (Xie, Wang, Wang
            and Zha 2020) of proximal strength eps T, with T outer steps and one inner. "constant": eps from the start.
        relaxation: :class:`Unbalanced` or :class:`Partial` marginals, for pairs that are not quite translations; by
            default both marginals are binding.
        keep_plan: whether the result holds the plan, (B, n, m) numbers that training has no use for.

    Raises:
        ValueError: a shape, dtype, device, weight or number is not as described above.
    """
    check_shapes(x, y, x_mask, y_mask, a, b)
    smallest = torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps
    if not smallest <= eps < math.inf:
        raise ValueError(f"eps is {eps}; expected a finite number of at least {smallest:.1e}")
    if not isinstance(iterations, int) or iterations < 1:
        raise ValueError(f"iterations is {iterations}; expected a whole number of at least 1")
    if schedule not in get_args(ScheduleName):
        raise ValueError(f"schedule is {schedule!r}; expected one of {', '.join(get_args(ScheduleName))}")
    if tolerance is not None and not (0 < tolerance < math.inf and schedule != "ipot"):
        raise ValueError(
            f"tolerance is {tolerance}; expected a positive number, and a schedule other than 'ipot', which reaches "
            "eps with its last iteration only"
        )
    if not isinstance(relaxation, Relaxation):
        raise ValueError(f"relaxation is {relaxation!r}; expected Unbalanced or Partial")
    differentiable = torch.is_grad_enabled()
    x_penalty = y_penalty = mass = None
    if isinstance(relaxation, Partial):
        mass = relaxation.mass
    else:
        x_penalty, y_penalty = relaxation.x, relaxation.y
    cost, value, f, g, row_violation, used, valid, plan, *_ = transport(
        x,
        y,
        x_mask,
        y_mask,
        a,
        b,
        eps=float(eps),
        iterations=iterations,
        annealing=Schedule.named(schedule, eps, iterations).annealing,
        tolerance=tolerance,
        x_penalty=x_penalty,
        y_penalty=y_penalty,
        mass=mass,
        keep_plan=keep_plan,
        x_needs_gradient=differentiable and x.requires_grad,
        y_needs_gradient=differentiable and y.requires_grad,
    )
    kept = (f.detach(), g.detach(), row_violation.detach(), used, valid, plan.detach() if keep_plan else None)
    return Transport(cost, value, *kept)
