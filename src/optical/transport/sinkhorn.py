"""Sinkhorn's iterations, annealed and safe at small eps, for a batch of problems."""

import math

import torch


def entropic_plan(
    cost: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, eps: float, iterations: int
) -> torch.Tensor:
    """The plan P_ij = exp((f_i + g_j - C_ij) / eps) after alternating updates of the potentials f and g.

    Iteration t = 1..T updates, at eps_t = eps * max(1, 0.8 T / t),

        f_i <- eps_t * (log a_i - log sum_j exp((g_j - C_ij) / eps_t))
        g_j <- eps_t * (log b_j - log sum_i exp((f_i - C_ij) / eps_t))

    (Cuturi 2013; the falling eps is that of IPOT, Xie et al. 2020, whose plan after t outer steps of
    proximal strength beta is Sinkhorn's at beta / t). The column update comes last, so that the plan's column
    sums are exact and only its row sums may be off.

    Args:
        cost: (B, n, m) C, finite, of the dtype to compute in. To be called without gradients: the kernel is
            overwritten in every iteration.
        rows: (B, n) a, non-negative, summing to 1; zero for padding.
        columns: (B, m) b, likewise.
        eps: the final eps, in units of the cost.
        iterations: T, at least 1.

    Returns:
        (B, n, m) the plan, zero where a or b is.
    """
    log_rows, log_columns = rows.log(), columns.log()
    g = torch.where(columns > 0, 0, log_columns)
    # Entries below exp(lowest) are raised to it. That is 1e-30 of a row's largest, so no row sum notices, but
    # no column can vanish (its potential rises by all that the floor allows, then by the rest in the next
    # step), and the processor never meets subnormal numbers, on which a CPU is ten times slower.
    lowest = 0.8 * math.log(torch.finfo(cost.dtype).tiny)
    kernel = torch.empty_like(cost)
    for step in range(1, iterations):
        eps_t = eps * max(1.0, 0.8 * iterations / step)
        # One exponential serves both updates: the row update only scales the rows of this kernel. As the
        # largest entry of each row is 1, no row loses all its mass to underflow, however small eps is.
        torch.sub((g / eps_t).unsqueeze(1), cost, alpha=1 / eps_t, out=kernel)
        kernel.sub_(kernel.amax(2, keepdim=True)).clamp_min_(lowest).exp_()
        # Multiplied and summed rather than by matmul, which on a GPU may have been set to TF32.
        column_sums = kernel.mul_((rows / kernel.sum(2)).unsqueeze(2)).sum(1)
        g = g + eps_t * (log_columns - column_sums.log())
    # The last iteration is done wholly in the log domain, where nothing is floored, and at the final eps.
    log_u = log_rows - torch.logsumexp((g.unsqueeze(1) - cost) / eps, 2)
    return torch.softmax(log_u.unsqueeze(2) - cost / eps, 1) * columns.unsqueeze(1)
