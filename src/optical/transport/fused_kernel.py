"""The kernel that :mod:`optical.transport.fused` starts; needs Triton to be imported.

Potentials and logarithms are to base 2, the base in which the device computes: potentials here are those of
:mod:`optical.transport.log_domain` times log2(e).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators

import triton  # type: ignore[import-not-found, import-untyped, unused-ignore]
import triton.language as tl  # type: ignore[import-not-found, import-untyped, unused-ignore]

# Entries below 2^-100 of the largest of their row are raised to it. No row sum notices, but no column can vanish: its
# potential rises by all that the floor allows, then by the rest in the next iterations.
_FLOOR: tl.constexpr = tl.constexpr(-100.0)


@triton.jit(do_not_specialize=["n", "m", "iterations", "annealing"])
def solve_pair(
    x_pointer,
    y_pointer,
    a_pointer,
    b_pointer,
    cost_pointer,
    value_pointer,
    f_pointer,
    g_pointer,
    row_violation_pointer,
    used_pointer,
    plan_pointer,
    x_gradient_pointer,
    y_gradient_pointer,
    n,
    m,
    width,
    eps,
    step,
    iterations,
    annealing,
    tolerance,
    may_stop: tl.constexpr,
    gentle: tl.constexpr,
    keep_plan: tl.constexpr,
    x_needs_gradient: tl.constexpr,
    y_needs_gradient: tl.constexpr,
    block_n: tl.constexpr,
    block_m: tl.constexpr,
    block_width: tl.constexpr,
):
    """Solve the balanced problem of one pair, that of the program's number, without leaving the chip.

    In iteration t, with s = min(t, annealing) step and g the extrapolated potentials of the columns,

        K_ij = b_j 2^(g_j - C_ij s - h_i),   h_i = max_j of the exponent, b_j included,   r_i = sum_j K_ij,
        f_i = -h_i - log2 r_i,   g_j <- g_j + log2 b_j - log2 sum_i K_ij a_i / r_i,

    so that one exponential of each entry serves both updates.

    Args:
        x_pointer, y_pointer: (B, n, width), (B, m, width) float32 vectors, contiguous as all else; 0 in padding.
        a_pointer, b_pointer: (B, n), (B, m) float32 marginals.
        cost_pointer to used_pointer: what is known of the solutions, as in `optical.transport.sinkhorn.Solution`.
        plan_pointer, x_gradient_pointer, y_gradient_pointer: (B, n, m) P, (B, n, width) -P y and
            (B, m, width) -P^T x; written only where the flag of that name is set.
        n, m, width: the shapes; n <= block_n and m <= block_m.
        eps: the final one.
        step: log2(e) (1 / eps_{t+1} - 1 / eps_t), by how much the exponents' scale rises in an iteration while eps
            falls.
        iterations, annealing: as in `Schedule`.
        tolerance: of the row violation, read only if may_stop.
        may_stop: whether to look, now and then, if the pair has converged.
        gentle: whether one iteration raises the exponents so little that the column update can do with the exponential
            of the row update; otherwise it computes its own.
        keep_plan, x_needs_gradient, y_needs_gradient: what to write.
        block_n, block_m, block_width: powers of two, at least 16.
    """
    pair = tl.program_id(0).to(tl.int64)
    x, y = x_pointer + pair * n * width, y_pointer + pair * m * width
    rows, columns = tl.arange(0, block_n), tl.arange(0, block_m)
    a = tl.load(a_pointer + pair * n + rows, mask=rows < n, other=0.0)
    b = tl.load(b_pointer + pair * m + columns, mask=columns < m, other=0.0)
    log_a, log_b = _log_weights(a), _log_weights(b)
    cost = 1 - _similarities(x, y, n, m, width, block_n, block_m, block_width)

    f = tl.zeros((block_n,), tl.float32)
    g = tl.zeros((block_m,), tl.float32)
    # Not `before = g`: the compiler takes a name for a constant of the loop if it stands for g before it and in it.
    before = tl.zeros((block_m,), tl.float32)
    iteration = 1
    last = iterations
    while iteration < last:
        scale = step * tl.minimum(iteration, annealing)
        guess = _extrapolated(g, before, iteration, annealing)
        exponents = (guess + log_b)[None, :] - cost * scale
        highest = tl.max(exponents, 1)
        kernel = tl.exp2(tl.maximum(exponents - highest[:, None], _FLOOR))
        row_sums = tl.sum(kernel, 1)
        f_before = f
        f = -(highest + tl.log2(row_sums))
        before = g
        if gentle:
            column_sums = tl.sum(kernel * (a / row_sums)[:, None], 0)
            g = tl.where(b > 0, guess + log_b - tl.log2(column_sums), 0.0)
        else:
            g = _column_minima(cost * scale, f + log_a)
        if may_stop:
            if (iteration > annealing) & ((iteration - 1 - annealing) % 10 == 0):
                # What the row sums were before this iteration, which was one too many if they were right.
                violation = tl.sum(a * tl.abs(tl.exp2(f_before - f) - 1), 0)
                if violation <= tolerance:
                    last = iteration - 1
            f = tl.where(iteration <= last, f, f_before)
            g = tl.where(iteration <= last, g, before)
        iteration += 1

    # The last iteration is done wholly in the log domain, so column sums are exact whatever was floored or rounded. Of
    # a pair that has stopped it only computes the plan.
    scale = step * annealing
    exponents = (_extrapolated(g, before, last, annealing) + log_b)[None, :] - cost * scale
    highest = tl.max(exponents, 1)
    updated = -(highest + tl.log2(tl.sum(tl.exp2(exponents - highest[:, None]), 1)))
    f = tl.where(last < iterations, f, updated)
    exponents = (f + log_a)[:, None] - cost * scale
    highest = tl.max(exponents, 0)
    plan = tl.exp2(exponents - highest[None, :])
    column_sums = tl.sum(plan, 0)
    g = -(highest + tl.log2(column_sums))
    plan *= (b / column_sums)[None, :]
    row_masses = tl.sum(plan, 1)

    # With potentials in units of the cost, <P, C> + eps KL(P | a b^T) = sum_i (P 1)_i f_i + sum_j b_j g_j
    # + eps (1 - sum_j b_j): what KL holds of -C / eps cancels against the cost.
    f, g = f / scale, g / scale
    value = tl.sum(row_masses * f, 0) + tl.sum(b * g, 0) + eps * (1 - tl.sum(b, 0))
    tl.store(cost_pointer + pair, tl.sum(tl.sum(plan * cost, 1), 0))
    tl.store(value_pointer + pair, value)
    tl.store(f_pointer + pair * n + rows, f, mask=rows < n)
    tl.store(g_pointer + pair * m + columns, g, mask=columns < m)
    tl.store(row_violation_pointer + pair, tl.sum(tl.abs(row_masses - a), 0))
    tl.store(used_pointer + pair, last)
    if keep_plan:
        inside = (rows < n)[:, None] & (columns < m)[None, :]
        tl.store(plan_pointer + pair * n * m + rows[:, None] * m + columns[None, :], plan, mask=inside)
    if x_needs_gradient:
        _store_product(
            x_gradient_pointer + pair * n * width, -plan, y, n, m, width, block_n, block_m, block_width
        )
    if y_needs_gradient:
        transposed = tl.trans(-plan)
        _store_product(
            y_gradient_pointer + pair * m * width, transposed, x, m, n, width, block_m, block_n, block_width
        )


@triton.jit
def _log_weights(weights):
    """Return log2 of weights, minus infinity for 0."""
    return tl.where(weights > 0, tl.log2(tl.where(weights > 0, weights, 1.0)), float("-inf"))


@triton.jit
def _extrapolated(g, before, iteration, annealing):
    """Return the potentials to start an iteration from: linear in t while eps falls."""
    return tl.where((iteration > 1) & (iteration <= annealing), 2 * g - before, g)


@triton.jit
def _column_minima(scaled_cost, log_row_scaling):
    """Return -log2 sum_i 2^(log_row_scaling_i - scaled_cost_ij)."""
    exponents = log_row_scaling[:, None] - scaled_cost
    highest = tl.max(exponents, 0)
    return -(highest + tl.log2(tl.sum(tl.exp2(exponents - highest[None, :]), 0)))


@triton.jit
def _block(pointer, length, width, start, block_length: tl.constexpr, block_width: tl.constexpr):
    """Return the offsets and the mask of (block_length, block_width) entries of a (length, width) array."""
    rows, depth = tl.arange(0, block_length)[:, None], start + tl.arange(0, block_width)[None, :]
    return pointer + rows * width + depth, (rows < length) & (depth < width)


@triton.jit
def _similarities(
    x,
    y,
    n,
    m,
    width,
    block_n: tl.constexpr,
    block_m: tl.constexpr,
    block_width: tl.constexpr,
):
    """Return x y^T (block_n, block_m), 0 beyond the arrays."""
    total = tl.zeros((block_n, block_m), tl.float32)
    for start in range(0, width, block_width):
        x_entries, x_inside = _block(x, n, width, start, block_n, block_width)
        y_entries, y_inside = _block(y, m, width, start, block_m, block_width)
        x_block = tl.load(x_entries, mask=x_inside, other=0.0)
        y_block = tl.load(y_entries, mask=y_inside, other=0.0)
        total = tl.dot(x_block, tl.trans(y_block), total, input_precision="ieee")
    return total


@triton.jit
def _store_product(
    result,
    matrix,
    vectors,
    length,
    inner,
    width,
    block_length: tl.constexpr,
    block_inner: tl.constexpr,
    block_width: tl.constexpr,
):
    """Write matrix (block_length, block_inner) times vectors (inner, width) to result (length, width)."""
    for start in range(0, width, block_width):
        entries, inside = _block(vectors, inner, width, start, block_inner, block_width)
        block = tl.load(entries, mask=inside, other=0.0)
        product = tl.dot(matrix, block, input_precision="ieee")
        entries, inside = _block(result, length, width, start, block_length, block_width)
        tl.store(entries, product.to(result.dtype.element_ty), mask=inside)
