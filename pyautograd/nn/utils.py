"""What is done to the parameters of a whole model: clipping gradients, one vector of all values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from pyautograd.modes import mark_modified
from pyautograd.ops.shape import cat, reshape
from pyautograd.tensor import Tensor, wrap


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in listed if p.grad is not None]


def _replace(p: Tensor, op: str, values: Any) -> None:
    """New values for a gradient, in place unless it is on the tape or cannot be written."""
    grad: Any = p.grad
    if grad._node is not None or not grad._array.flags.writeable:
        p.grad = wrap(values)
    else:
        grad._array[...] = values
        mark_modified(grad._array, op)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scales all gradients together so that their norm is at most `max_norm`.

    The norm is that of all gradients as one vector; the result is what it was before. With
    `error_if_nonfinite`, a norm that is infinite or NaN raises RuntimeError and no gradient
    changes. Pascanu et al., 2013.

    >>> import pyautograd as ag
    >>> p = ag.zeros(2, requires_grad=True)
    >>> p.grad = ag.tensor([3.0, 4.0])
    >>> ag.nn.utils.clip_grad_norm_([p], max_norm=1.0)
    tensor(5.)
    >>> p.grad
    tensor([0.6000, 0.8000])
    """
    chosen = _with_gradients(parameters)
    grads: list[Any] = [p.grad._array for p in chosen]  # type: ignore[union-attr]
    if norm_type == math.inf:
        total = float(max((np.abs(g).max(initial=0.0) for g in grads), default=0.0))
        if any(np.isnan(g).any() for g in grads):
            total = math.nan
    elif norm_type > 0:
        powers = [float((np.abs(g).astype(np.float64) ** norm_type).sum()) for g in grads]
        total = sum(powers) ** (1.0 / norm_type)
    else:
        raise ValueError(f"clip_grad_norm_: expected a positive norm_type, got {norm_type}")
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the gradients' norm is {total}")
    factor = max_norm / (total + 1e-6)
    if not factor >= 1.0:  # a NaN spreads, as it would without clipping
        for p, g in zip(chosen, grads, strict=True):
            _replace(p, "clip_grad_norm_", g * g.dtype.type(factor))
    return wrap(np.asarray(total, grads[0].dtype if grads else np.float32))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits each element of the gradients to [-clip_value, clip_value]."""
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: expected clip_value of at least 0, got {clip_value}")
    for p in _with_gradients(parameters):
        g: Any = p.grad._array  # type: ignore[union-attr]
        _replace(p, "clip_grad_value_", np.clip(g, -clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All values one after the other, (total,), on the tape."""
    return cat([reshape(p, (-1,)) if p.numel() else reshape(p, (0,)) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies a vector (total,) back into the parameters. ValueError where the sizes differ."""
    listed = list(parameters)
    total = sum(p.numel() for p in listed)
    if vec.shape != (total,):
        raise ValueError(
            f"vector_to_parameters: expected a vector of shape ({total},), got {vec.shape}"
        )
    start = 0
    for p in listed:
        p._array[...] = vec._array[start : start + p.numel()].reshape(p.shape)
        mark_modified(p._array, "vector_to_parameters")
        start += p.numel()


__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]
