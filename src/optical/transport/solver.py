"""The transport problem of OPTICAL, solved for a whole batch of sentence pairs at once."""

import torch

from optical.transport.checks import check_shapes, check_weights
from optical.transport.result import Transport
from optical.transport.sinkhorn import entropic_plan


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
) -> Transport:
    """Transport every pair's teacher tokens onto its student tokens.

    For each pair, over the couplings of the marginals a and b,

        P = argmin_{P >= 0}  <P, C> + eps * sum_ij P_ij (log P_ij - 1)
            subject to       sum_j P_ij = a_i,   sum_i P_ij = b_j,
        C_ij = 1 - x_i . y_j,

    and the cost of the pair is <P, C> without the entropy (Huang, Yu and Allan, WSDM 2023). The
    plan's own dependence on C is left out of the gradient: at the optimum of the linear problem it
    contributes nothing (envelope theorem), so d cost / d y_j = -sum_i P_ij x_i.

    Args:
        x: (B, n, d) teacher vectors of unit norm; float16, bfloat16, float32 or float64.
        y: (B, m, d) student vectors of unit norm, of the same dtype and on the same device.
        x_mask: (B, n) bool, True where x holds a real token. What x holds elsewhere is never read.
        y_mask: (B, m) bool, likewise for y.
        a: (B, n) non-negative weights of the teacher tokens, normalised to sum to 1 over each pair's real
            tokens; a uniform weight if None. Weights of padding are never read.
        b: (B, m) weights of the student tokens, likewise.
        eps: strength of the entropy, in units of the cost (0 to 2). The larger, the more blurred the plan.
        iterations: Sinkhorn iterations; every pair gets exactly as many, whatever else is in its batch. The
            smaller eps and the more the two lengths differ, the more are needed: watch `row_violation`.

    Raises:
        ValueError: a shape, dtype, device, weight or number is not as described above.
    """
    check_shapes(x, y, x_mask, y_mask, a, b)
    dtype = torch.promote_types(x.dtype, torch.float32)
    if not torch.finfo(dtype).eps <= eps < float("inf"):
        raise ValueError(f"eps is {eps}; expected a finite number of at least {torch.finfo(dtype).eps:.1e}")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; expected at least 1")
    if a is not None:
        check_weights("a", a, x_mask)
    if b is not None:
        check_weights("b", b, y_mask)

    with torch.autocast(x.device.type, enabled=False):
        valid = _solvable(x, x_mask) & _solvable(y, y_mask)
        # Zeros go in before any arithmetic: 0 * NaN would carry a bad pair's NaN into the gradient.
        cost = 1 - _real(x, x_mask, valid, dtype) @ _real(y, y_mask, valid, dtype).mT
        with torch.no_grad():
            rows = _marginal(a, x_mask, dtype)
            columns = _marginal(b, y_mask, dtype)
            plan = entropic_plan(cost, rows, columns, eps, iterations)
            # A side without a real token has marginals of 0 / 0. The NaN stays in its pair and ends here.
            plan = torch.where(valid[:, None, None], plan, 0)
            row_violation = torch.where(valid, (plan.sum(2) - rows).abs().sum(1), 0)
        return Transport((plan * cost).sum((1, 2)), plan, row_violation, valid)


def _solvable(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    finite = vectors.isfinite().all(2) | ~mask
    return finite.all(1) & mask.any(1)


def _real(vectors: torch.Tensor, mask: torch.Tensor, valid: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.where((mask & valid[:, None])[:, :, None], vectors.to(dtype), 0)


def _marginal(weights: torch.Tensor | None, mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if weights is None:
        mass = mask.to(dtype)
    else:
        mass = torch.where(mask, weights, 0)
        # Divided before they are cast and summed, either of which could overflow on huge weights.
        mass = (mass / mass.amax(1, keepdim=True)).to(dtype)
    return mass / mass.sum(1, keepdim=True)
