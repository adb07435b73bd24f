"""Any batch of sentence pairs, as one operator that autograd, autocast and torch.compile see as a whole."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from optical.transport.checks import check_weights
from optical.transport.fused import solve_fused, suits
from optical.transport.problem import Problem
from optical.transport.relaxation import Partial, Relaxation, Unbalanced
from optical.transport.schedule import Schedule
from optical.transport.sinkhorn import Solution, solve_problem

# Entries of the cost matrices that are worked on together: what a processor's cache holds; what fits a GPU beside a
# model.
_ENTRIES_CPU = 2**18
_ENTRIES_GPU = 2**26
# Sorting sentences by length finer than this saves less padding than it costs.
_LENGTH_STEP = 8


class _Part(NamedTuple):
    """Some pairs of the batch, and the positions where any of them has a token."""

    pairs: Tensor | slice
    x: tuple[Any, ...]
    y: tuple[Any, ...]
    xy: tuple[Any, ...]


class _Results(NamedTuple):
    """What the operator returns; the last three are empty where they are not asked for."""

    cost: Tensor
    value: Tensor
    f: Tensor
    g: Tensor
    row_violation: Tensor
    iterations: Tensor
    valid: Tensor
    plan: Tensor
    x_gradient: Tensor
    y_gradient: Tensor

    @classmethod
    def empty(
        cls, x: Tensor, y: Tensor, keep_plan: bool, x_needs_gradient: bool, y_needs_gradient: bool
    ) -> "_Results":
        """Return zeros of the right shapes and dtypes."""
        pairs, n, _ = x.shape
        m = y.shape[1]
        new = x.new_zeros if x.dtype == torch.float64 else x.float().new_zeros
        return cls(
            cost=new(pairs),
            value=new(pairs),
            f=new(pairs, n),
            g=new(pairs, m),
            row_violation=new(pairs),
            iterations=new(pairs, dtype=torch.int64),
            valid=new(pairs, dtype=torch.bool),
            plan=new(pairs, n, m) if keep_plan else new(0),
            x_gradient=new(x.shape) if x_needs_gradient else new(0),
            y_gradient=new(y.shape) if y_needs_gradient else new(0),
        )

    def fill(self, part: _Part, solution: Solution, x_gradient: Tensor, y_gradient: Tensor) -> None:
        """Write down what is known of a part of the batch, and nothing of its pairs that are not valid."""
        there = self.valid[part.pairs]
        for name in ("cost", "value", "row_violation", "iterations"):
            getattr(self, name)[part.pairs] = getattr(solution, name) * there
        self.f[part.x], self.g[part.y] = solution.f, solution.g
        for all_pairs, place, some in (
            (self.plan, part.xy, solution.plan),
            (self.x_gradient, part.x, x_gradient),
            (self.y_gradient, part.y, y_gradient),
        ):
            if all_pairs.numel():
                all_pairs[place] = some * there[:, None, None]


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
    results = _Results.empty(x, y, keep_plan, x_needs_gradient, y_needs_gradient)
    dtype = results.cost.dtype
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        x_finite, y_finite = _finite(x), _finite(y)
        results.valid.copy_(_solvable(x_finite, x_mask) & _solvable(y_finite, y_mask))
        a = _marginal("a", a, x_mask, results.valid, dtype)
        b = _marginal("b", b, y_mask, results.valid, dtype)
        x, y = x.to(dtype), y.to(dtype)
        x_real, y_real = x_mask & results.valid[:, None], y_mask & results.valid[:, None]
        # What padding holds must reach no sum. If it is finite it can be taken out of the costs, which are fewer; a GPU
        # would have to be waited for to know.
        if x.device.type != "cpu" or suits(x, y, relaxation) or not (x_finite.all() and y_finite.all()):
            x, y = torch.where(x_real[:, :, None], x, 0), torch.where(y_real[:, :, None], y, 0)
        for part in _parts(x_mask, y_mask, results.valid):
            sides = x[part.x], y[part.y], a[part.x], b[part.y]
            solved = None
            if suits(*sides[:2], relaxation):
                solved = solve_fused(
                    *sides,
                    schedule,
                    tolerance,
                    keep_plan=keep_plan,
                    x_needs_gradient=x_needs_gradient,
                    y_needs_gradient=y_needs_gradient,
                )
            if solved is not None:
                solution, *gradients = solved
            else:
                padding = ~(x_real[part.x][:, :, None] & y_real[part.y][:, None, :])
                distance = (1 - sides[0] @ sides[1].mT).masked_fill_(padding, 1)
                solution = solve_problem(Problem(distance, *sides[2:], relaxation), schedule, tolerance)
                gradients = [
                    -(plan @ vectors) if wanted else vectors
                    for plan, vectors, wanted in (
                        (solution.plan, sides[1], x_needs_gradient),
                        (solution.plan.mT, sides[0], y_needs_gradient),
                    )
                ]
            results.fill(part, solution, *gradients)
        results.f.masked_fill_(~x_real, 0)
        results.g.masked_fill_(~y_real, 0)
    return results


@transport.register_fake
def _(
    x: Tensor, y: Tensor, *settings: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    return _Results.empty(x, y, *settings[-3:])


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.set_materialize_grads(False)
    results = _Results(*output)
    ctx.dtype = inputs[0].dtype
    ctx.save_for_backward(results.valid, results.x_gradient, results.y_gradient)


def _backward(ctx: Any, by_cost: Tensor | None, by_value: Tensor | None, *others: Any) -> tuple[Any, ...]:
    if torch.is_grad_enabled():  # create_graph: somebody wants to differentiate what is returned here
        raise NotImplementedError("transport has no second derivative: its gradient holds the plan constant")
    incoming = [gradient for gradient in (by_cost, by_value) if gradient is not None]
    by_vectors: list[Tensor | None] = [None, None]
    valid, *gradients = ctx.saved_tensors
    for side, gradient in enumerate(gradients):
        if incoming and ctx.needs_input_grad[side]:
            # Whatever comes in for a pair that is not valid, nothing goes out; rounded to half precision at the end.
            upstream = torch.where(valid, torch.stack(incoming).sum(0), 0)
            by_vectors[side] = (gradient * upstream[:, None, None]).to(ctx.dtype)
    return (*by_vectors, *[None] * 14)


transport.register_autograd(_backward, setup_context=_remember)


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


def _finite(vectors: Tensor) -> Tensor:
    # A sum is ten times faster than a look at each number, and unit vectors do not overflow.
    return vectors.sum(2).isfinite()


def _solvable(finite: Tensor, mask: Tensor) -> Tensor:
    return (finite | ~mask).all(1) & mask.any(1)


def _marginal(name: str, weights: Tensor | None, mask: Tensor, valid: Tensor, dtype: torch.dtype) -> Tensor:
    if weights is None:
        mass = mask.to(dtype)
    else:
        check_weights(name, weights, mask)
        mass = torch.where(mask, weights.to(torch.promote_types(weights.dtype, torch.float32)), 0)
        # Divided before they are cast and summed, either of which could overflow on huge weights.
        mass = (mass / mass.amax(1, keepdim=True)).to(dtype)
    # A pair that is not valid is solved with the rest where the device is not to wait, so it gets some marginal.
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    mass = torch.where(valid[:, None], mass, first.to(dtype))
    return mass / mass.sum(1, keepdim=True)
