"""Refusals of input that is not a batch of transport problems."""

import torch


def check_shapes(
    x: torch.Tensor,
    y: torch.Tensor,
    x_mask: torch.Tensor,
    y_mask: torch.Tensor,
    a: torch.Tensor | None,
    b: torch.Tensor | None,
) -> None:
    """Raise ValueError, naming the argument, unless shapes, dtypes and devices fit together as in `solve`."""
    _expect("x", x, (None, None, None), "(B, n, d)")
    if not x.is_floating_point():
        raise ValueError(f"x has dtype {x.dtype}; expected floating point{_shape(x)}")
    pairs, n, width = x.shape
    _expect("y", y, (pairs, None, width), f"({pairs}, m, {width}), to go with x of shape {tuple(x.shape)}")
    if y.dtype != x.dtype:
        raise ValueError(f"y has dtype {y.dtype}; expected {x.dtype}, that of x{_shape(y)}")
    m = y.shape[1]
    for name, vectors in (("x", x), ("y", y)):
        if vectors.shape[1] == 0:
            raise ValueError(f"{name} has shape {tuple(vectors.shape)}; expected at least one token position")
    for name, mask, length in (("x_mask", x_mask, n), ("y_mask", y_mask, m)):
        _expect(name, mask, (pairs, length), f"({pairs}, {length})")
        if mask.dtype != torch.bool:
            raise ValueError(
                f"{name} has dtype {mask.dtype}; expected torch.bool, True for a real token{_shape(mask)}"
            )
    for name, weights, length in (("a", a, n), ("b", b, m)):
        if weights is not None:
            _expect(name, weights, (pairs, length), f"({pairs}, {length})")
            if not weights.is_floating_point():
                raise ValueError(
                    f"{name} has dtype {weights.dtype}; expected floating point{_shape(weights)}"
                )
    for name, tensor in (("y", y), ("x_mask", x_mask), ("y_mask", y_mask), ("a", a), ("b", b)):
        if tensor is not None and tensor.device != x.device:
            raise ValueError(f"{name} is on {tensor.device}; expected {x.device}, where x is{_shape(tensor)}")


def check_weights(name: str, weights: torch.Tensor, mask: torch.Tensor) -> None:
    """Raise ValueError unless the weights of every pair's real tokens can be normalised to sum to 1.

    A pair without a real token passes: it has no weights to speak of.
    """
    weights = weights.detach()
    bad = mask & ~(weights.isfinite() & (weights >= 0))
    if bad.any():
        pair, token = bad.nonzero()[0].tolist()
        raise ValueError(
            f"{name}[{pair}, {token}] is {weights[pair, token].item()}; expected finite weights of at least 0"
            f"{_shape(weights)}"
        )
    weightless = mask.any(1) & ~(mask & (weights > 0)).any(1)
    if weightless.any():
        pair = int(weightless.nonzero()[0].item())
        raise ValueError(
            f"{name}[{pair}] is 0 at every real token; expected one weight above 0 at least{_shape(weights)}"
        )


def _shape(tensor: torch.Tensor) -> str:
    return f" (its shape is {tuple(tensor.shape)})"


def _expect(name: str, tensor: torch.Tensor, shape: tuple[int | None, ...], wanted: str) -> None:
    fits = tensor.dim() == len(shape) and all(
        size in (None, have) for size, have in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; expected {wanted}")
