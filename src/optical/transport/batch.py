"""Any batch of sentence pairs, as one operator that autograd, autocast and torch.compile see as a whole."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from optical.transport.checks import check_weights
from optical.transport.problem import Problem
from optical.transport.relaxation import Partial, Relaxation, Unbalanced
from optical.transport.schedule import Schedule
from optical.transport.sinkhorn import solve_problem

# Entries of the cost matrices that are worked on together: what a processor's cache holds; what fits a GPU beside a
# model.
_ENTRIES_CPU = 2**18
_ENTRIES_GPU = 2**26
# Sorting sentences by length finer than this saves less padding than it costs.
_LENGTH_STEP = 8


@torch.library.custom_op("optical::transport", mutates_args=())
def transport(
    x: Tensor,
    y: Tensor,
    x_mask: Tensor,
    y_mask: Tensor,
    a: Tensor | None,
    b: Tensor | None,
    eps: float,
    iterations: int,
    annealing: int,
    tolerance: float | None,
    x_penalty: float | None,
    y_penalty: float | None,
    mass: float | None,
    keep_plan: bool,
    x_needs_gradient: bool,
    y_needs_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Solve a batch; see :func:`optical.transport.solve`, which checks the arguments.

    Returns:
        cost, value, f, g, row_violation, iterations, valid as in :class:`optical.transport.Transport`; the plan; and
        the gradients of the cost by x and by y, -P y and -P^T x. What is not asked for of the last three is empty.
    """
    relaxation: Relaxation = Unbalanced(x_penalty, y_penalty) if mass is None else Partial(mass)
    schedule = Schedule(eps, iterations, annealing)
    results = _empty_results(x, y, keep_plan, x_needs_gradient, y_needs_gradient)
    cost, value, f, g, row_violation, used, valid, plan, x_gradient, y_gradient = results
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        valid.copy_(_solvable(x, x_mask) & _solvable(y, y_mask))
        a = _marginal("a", a, x_mask, valid, value.dtype)
        b = _marginal("b", b, y_mask, valid, value.dtype)
        real_x, real_y = _real(x, x_mask, valid, value.dtype), _real(y, y_mask, valid, value.dtype)
        for part in _parts(x_mask, y_mask, valid):
            x_part, y_part = real_x[part.x], real_y[part.y]
            problem = Problem(1 - x_part @ y_part.mT, a[part.x], b[part.y], relaxation)
            solution = solve_problem(problem, schedule, tolerance)
            there = valid[part.pairs]
            cost[part.pairs] = solution.cost * there
            value[part.pairs] = solution.value * there
            row_violation[part.pairs] = solution.row_violation * there
            used[part.pairs] = solution.iterations * there
            f[part.x], g[part.y] = solution.f, solution.g
            moved = solution.plan.mul_(there[:, None, None])
            if keep_plan:
                plan[part.xy] = moved
            if x_needs_gradient:
                x_gradient[part.x] = (moved @ y_part).neg_().to(x.dtype)
            if y_needs_gradient:
                y_gradient[part.y] = (moved.mT @ x_part).neg_().to(y.dtype)
        f.masked_fill_(~(x_mask & valid[:, None]), 0)
        g.masked_fill_(~(y_mask & valid[:, None]), 0)
    return results


@transport.register_fake
def _(
    x: Tensor, y: Tensor, *settings: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    return _empty_results(x, y, *settings[-3:])


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*output[-2:])


def _backward(ctx: Any, by_cost: Tensor | None, by_value: Tensor | None, *others: Any) -> tuple[Any, ...]:
    incoming = [gradient for gradient in (by_cost, by_value) if gradient is not None]
    by_vectors: list[Tensor | None] = [None, None]
    for side, gradient in enumerate(ctx.saved_tensors):
        if incoming and ctx.needs_input_grad[side]:
            by_vectors[side] = gradient * torch.stack(incoming).sum(0)[:, None, None].to(gradient.dtype)
    return (*by_vectors, *[None] * 14)


transport.register_autograd(_backward, setup_context=_remember)


def _empty_results(
    x: Tensor, y: Tensor, keep_plan: bool, x_needs_gradient: bool, y_needs_gradient: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    pairs, n, _ = x.shape
    m = y.shape[1]
    new = x.new_zeros if x.dtype == torch.float64 else x.float().new_zeros
    return (
        new(pairs),
        new(pairs),
        new(pairs, n),
        new(pairs, m),
        new(pairs),
        new(pairs, dtype=torch.int64),
        new(pairs, dtype=torch.bool),
        new(pairs, n, m) if keep_plan else new(0),
        torch.zeros_like(x) if x_needs_gradient else new(0),
        torch.zeros_like(y) if y_needs_gradient else new(0),
    )


class _Part(NamedTuple):
    """Some pairs of the batch, and the positions where any of them has a token."""

    pairs: Tensor | slice
    x: tuple[Any, ...]
    y: tuple[Any, ...]
    xy: tuple[Any, ...]


def _parts(x_mask: Tensor, y_mask: Tensor, valid: Tensor) -> Iterator[_Part]:
    """Divide the batch into parts that are not too large to work on.

    On a CPU pairs of similar lengths go together, so that little padding is worked on. A GPU would have to wait for the
    lengths.
    """
    n, m = x_mask.shape[1], y_mask.shape[1]
    on_cpu = x_mask.device.type == "cpu"
    most = max(1, (_ENTRIES_CPU if on_cpu else _ENTRIES_GPU) // (n * m))
    if len(x_mask) <= most or not on_cpu:
        for first in range(0, len(x_mask), most):
            pairs = slice(first, first + most)
            yield _Part(pairs, (pairs,), (pairs,), (pairs,))
        return
    n_tokens, m_tokens = x_mask.sum(1), y_mask.sum(1)
    order = (n_tokens // _LENGTH_STEP * (m + 1) + m_tokens).argsort(stable=True)
    order = order[valid[order]]
    while len(order):
        # The longest so far, as the part grows pair by pair.
        entries = n_tokens[order].cummax(0).values * m_tokens[order].cummax(0).values
        fit = int((entries * torch.arange(1, len(order) + 1) <= _ENTRIES_CPU).sum().clamp_min(1))
        some, order = order[:fit], order[fit:]
        rows, columns = x_mask[some].any(0).nonzero().squeeze(1), y_mask[some].any(0).nonzero().squeeze(1)
        yield _Part(
            some,
            (some[:, None], rows),
            (some[:, None], columns),
            (some[:, None, None], rows[:, None], columns),
        )


def _solvable(vectors: Tensor, mask: Tensor) -> Tensor:
    return (_finite(vectors) | ~mask).all(1) & mask.any(1)


def _finite(vectors: Tensor) -> Tensor:
    # A sum is ten times faster than a look at each number, and unit vectors do not overflow.
    return vectors.sum(2).isfinite()


def _real(vectors: Tensor, mask: Tensor, valid: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the vectors with zeros in padding and in pairs that are not valid, whatever is there."""
    real = (mask & valid[:, None])[:, :, None]
    if vectors.device.type == "cpu" and _finite(vectors).all():
        return vectors.to(dtype) * real
    return torch.where(real, vectors.to(dtype), 0)


def _marginal(name: str, weights: Tensor | None, mask: Tensor, valid: Tensor, dtype: torch.dtype) -> Tensor:
    if weights is None:
        mass = mask.to(dtype)
    else:
        check_weights(name, weights, mask)
        mass = torch.where(mask, weights, 0)
        # Divided before they are cast and summed, either of which could overflow on huge weights.
        mass = (mass / mass.amax(1, keepdim=True)).to(dtype)
    # A pair that is not valid is solved with the rest where the device is not to wait, so it gets some marginal.
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    mass = torch.where(valid[:, None], mass, first.to(dtype))
    return mass / mass.sum(1, keepdim=True)
