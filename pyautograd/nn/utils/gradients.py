"""Clipping the gradients of a whole model, and one vector of all its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from pyautograd.modes import mark_modified, no_grad
from pyautograd.op import Stand
from pyautograd.ops.elementwise import clamp
from pyautograd.ops.inplace import assign
from pyautograd.ops.shape import cat, reshape, stack
from pyautograd.tensor import Tensor, tensor


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in listed if p.grad is not None]


def _replace(p: Tensor, op: str, values: Tensor) -> None:
    """New values for a gradient, in place unless it is on the tape or cannot be written."""
    grad = p.grad
    assert grad is not None
    if isinstance(grad, Stand) or grad._node is not None or not grad._array.flags.writeable:
        p.grad = values.detach()
    else:
        assign(grad, op, (...,), values)


def _norm(op: str, tensors: list[Any], norm_type: float, error_if_nonfinite: bool) -> Tensor:
    """The norm of all of them as one vector, in float64."""
    if not norm_type > 0:
        raise ValueError(f"{op}: expected a positive norm_type, got {norm_type}")
    magnitudes = [g.detach().double().abs() for g in tensors if g.numel()]
    if not magnitudes:
        total = tensor(0.0, dtype=np.float64)
    elif norm_type == math.inf:
        total = stack([x.amax() for x in magnitudes]).amax()
    else:
        total = stack([(x**norm_type).sum() for x in magnitudes]).sum() ** (1.0 / norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"{op}: the gradients' norm is {total.item()}")
    return total


def _clip(op: str, chosen: list[Tensor], max_norm: float, total: Tensor) -> None:
    factor = clamp(max_norm / (total + 1e-6), max=1.0)  # a NaN spreads, as without clipping
    for p in chosen:
        grad: Any = p.grad
        _replace(p, op, grad.detach() * factor)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all tensors as one vector, in the dtype of the first; a scalar.

    >>> import pyautograd as ag
    >>> ag.nn.utils.get_total_norm([ag.tensor([3.0]), ag.tensor([[4.0]])])
    tensor(5.)
    """
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    with no_grad():
        total = _norm("get_total_norm", listed, norm_type, error_if_nonfinite)
        return total.to(listed[0].dtype if listed else np.float32)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor
) -> None:
    """Scales all gradients by max_norm / total_norm, where that is below 1.

    The second half of `clip_grad_norm_`: `total_norm` comes from `get_total_norm`.
    """
    with no_grad():
        _clip("clip_grads_with_norm_", _with_gradients(parameters), max_norm, total_norm.double())


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
    grads: list[Any] = [p.grad for p in chosen]
    with no_grad():
        total = _norm("clip_grad_norm_", grads, norm_type, error_if_nonfinite)
        _clip("clip_grad_norm_", chosen, max_norm, total)
        return total.to(grads[0].dtype if grads else np.float32)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits each element of the gradients to [-clip_value, clip_value]."""
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: expected clip_value of at least 0, got {clip_value}")
    with no_grad():
        for p in _with_gradients(parameters):
            g: Any = p.grad
            _replace(p, "clip_grad_value_", clamp(g.detach(), -clip_value, clip_value))


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
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]
