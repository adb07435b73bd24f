"""Balanced problems of short sentences on a GPU, by one kernel: a program a pair, all iterations on the chip."""

import functools
import importlib.util
import logging
import math
import os

import torch
from torch import Tensor

from optical.transport.relaxation import BALANCED, Relaxation
from optical.transport.schedule import Schedule
from optical.transport.sinkhorn import Solution

# A pair's matrix of costs, and the exponential of it, are to stay in the registers of one multiprocessor.
_MOST_TOKENS = 128
# Triton itself supports no older ones.
_OLDEST_CAPABILITY = (8, 0)
# Powers of e by which an iteration may raise the exponents' range (the cost is up to 2) if the column update is to do
# with the exponential of the row update, in which entries of single precision can be 69 powers of e apart.
_GENTLE = 30

logger = logging.getLogger(__name__)
_failed: list[str] = []


def suits(x: Tensor, y: Tensor, relaxation: Relaxation) -> bool:
    """Say whether :func:`solve_fused` can solve these problems, x (B, n, d) and y (B, m, d), here.

    With TRITON_INTERPRET=1, set before Python starts, Triton's interpreter solves on a CPU: slowly, for tests.
    """
    return (
        relaxation == BALANCED
        and max(x.shape[1], y.shape[1]) <= _MOST_TOKENS
        and x.dtype == torch.float32
        and _device_suits(x.device)
        and _triton_is_installed()
        and not _failed
    )


def _device_suits(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _OLDEST_CAPABILITY
    return device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"


@functools.cache
def _triton_is_installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def solve_fused(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    schedule: Schedule,
    tolerance: float | None,
    *,
    keep_plan: bool,
    x_needs_gradient: bool,
    y_needs_gradient: bool,
) -> tuple[Solution, Tensor, Tensor] | None:
    """Solve B balanced problems that :func:`suits` says yes to, without the host waiting for the device.

    The iterations are those of :class:`optical.transport.log_domain.LogDomain`. A pair that has converged stops on its
    own.

    Args:
        x: (B, n, d) float32 teacher vectors, zeros in padding.
        y: (B, m, d) float32 student vectors, likewise.
        a: (B, n) float32 marginal of every pair, summing to 1; 0 in padding.
        b: (B, m) likewise.
        schedule: of eps.
        tolerance: the row violation at which a pair gets no more iterations; None = all pairs get all.
        keep_plan: whether the solution's plan is wanted; without, it is empty.
        x_needs_gradient: whether the gradient of the cost by x is wanted; without, it is empty.
        y_needs_gradient: likewise by y.

    Returns:
        the solution and the gradients -P y (B, n, d) and -P^T x (B, m, d), all float32; None where Triton turns out not
        to work, as on a machine without a C compiler: a warning says so, and :func:`suits` says no from then on.
    """
    pairs, n, width = x.shape
    m = y.shape[1]
    new = functools.partial(torch.empty, device=x.device)
    solution = Solution(
        plan=new((pairs, n, m) if keep_plan else 0),
        cost=new(pairs),
        value=new(pairs),
        f=new(pairs, n),
        g=new(pairs, m),
        row_violation=new(pairs),
        iterations=new(pairs, dtype=torch.int64),
    )
    x_gradient = new((pairs, n, width) if x_needs_gradient else 0)
    y_gradient = new((pairs, m, width) if y_needs_gradient else 0)
    block_n, block_m = _block(n), _block(m)
    try:
        from optical.transport.fused_kernel import solve_pair

        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            solve_pair[(pairs,)](
                x.contiguous(),
                y.contiguous(),
                a.contiguous(),
                b.contiguous(),
                solution.cost,
                solution.value,
                solution.f,
                solution.g,
                solution.row_violation,
                solution.iterations,
                solution.plan,
                x_gradient,
                y_gradient,
                n,
                m,
                width,
                schedule.eps,
                schedule.step / math.log(2),
                schedule.iterations,
                schedule.annealing,
                0.0 if tolerance is None else tolerance,
                may_stop=tolerance is not None,
                gentle=2 * schedule.step <= _GENTLE,
                keep_plan=keep_plan,
                x_needs_gradient=x_needs_gradient,
                y_needs_gradient=y_needs_gradient,
                block_n=block_n,
                block_m=block_m,
                # A product of wider blocks with 128 terms each would run out of registers.
                block_width=32 if max(block_n, block_m) <= 64 else 16,
                num_warps=_warps(block_n * block_m),
                # Nothing is read in the loop that takes the time, so buffers to read ahead only cost registers.
                num_stages=1,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of a compiler: there is no telling what kind
        logger.warning(
            "Triton does not work here (%s); transport is solved by PyTorch, which is slower.", error
        )
        _failed.append(str(error))
        return None
    return solution, x_gradient, y_gradient


def _block(length: int) -> int:
    """Return the power of two that holds the length, 16 (the least that can be multiplied) or more."""
    return max(16, 1 << (length - 1).bit_length())


def _warps(entries: int) -> int:
    """Return how many warps share the entries of a pair's matrix.

    At 256 pairs, 132 multiprocessors have two programs each, so what counts is how long one iteration takes, most of
    which is three reductions waiting for shuffles and for the exponential before them. Warps divide the work but must
    meet in the column sums. Compiled for an H100, an iteration at 32 x 32 is 536 instructions of one warp, 373 of each
    of two (3 barriers), 242 of four and 173 of eight: four keep each of the four schedulers busy, more save little.
    From 128 x 64 on, four could not hold two matrices (128 registers a thread) beside all else.
    """
    return min(4, entries // 256) if entries <= 64 * 64 else 8
