"""New tensors: constants and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.device import on_cpu
from pyautograd.dtypes import as_dtype, float32
from pyautograd.graph import SymbolicNumber
from pyautograd.modes import state, tracer
from pyautograd.ops.shape import _sizes, clone, expand
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def made(array: Any, device: Any, requires_grad: bool) -> Tensor:
    """A fresh array as a leaf."""
    on_cpu(device)
    result = wrap(array)
    if state.tracing and (trace := tracer()) is not None:
        trace.made(array)
    return result.requires_grad_() if requires_grad else result


def _shape(op: str, size: Any) -> tuple[int, ...]:
    shape = _sizes(size)
    for n in shape:
        if n < 0:
            raise ValueError(f"{op}: sizes cannot be negative, got {shape}")
    return shape


def _filled(
    function: Any, shape: tuple[int, ...], dtype: Any, device: Any, requires_grad: bool, *value: Any
) -> Tensor:
    """What a function of NumPy's makes; of sizes that are not known yet, an expanded constant."""
    on_cpu(device)
    if (state.tracing or state.building) and any(isinstance(n, SymbolicNumber) for n in shape):
        one = function((), *value, dtype)
        one.flags.writeable = False
        run = next(n for n in shape if isinstance(n, SymbolicNumber)).sizes.run
        filled = run(lambda: clone(expand(wrap(one), shape)))
        return filled.requires_grad_() if requires_grad else filled
    return made(_C.cached(function, shape, *value, dtype), device, requires_grad)


def zeros(
    *size: Any, dtype: Any = float32, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of a shape: `zeros(2, 3)` or `zeros((2, 3))`."""
    return _filled(
        np.zeros, _shape("zeros", size), as_dtype(dtype or float32), device, requires_grad
    )


def ones(
    *size: Any, dtype: Any = float32, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of a shape."""
    return _filled(np.ones, _shape("ones", size), as_dtype(dtype or float32), device, requires_grad)


def empty(
    *size: Any, dtype: Any = float32, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with whatever was in memory."""
    return _filled(
        np.empty, _shape("empty", size), as_dtype(dtype or float32), device, requires_grad
    )


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in every element; the dtype follows the value where none is given."""
    dtype = as_dtype(type(fill_value) if dtype is None else dtype)
    return _filled(np.full, _shape("full", (size,)), dtype, device, requires_grad, fill_value)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape and dtype of `input`."""
    return zeros(
        input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uninitialised, in the shape and dtype of `input`."""
    return empty(
        input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value, in the shape and dtype of `input`."""
    dtype = dtype or input.dtype
    return full(input.shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def _counted(n: Any) -> Tensor:
    """0 to n - 1, for an n that is not known yet."""
    from pyautograd.ops.order import cumsum

    return cumsum(full((n,), 1, dtype=np.int64), 0) - 1


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers start, start + step, ... below `end`; int64 unless a float is given.

    `arange(n)` counts from 0.
    """
    if end is None:
        start, end = 0, start
    if isinstance(end, SymbolicNumber) or isinstance(start, SymbolicNumber):
        counted = _counted(-((start - end) // step)) * step + start
        counted = counted if dtype is None else counted.to(as_dtype(dtype))
        return counted.requires_grad_() if requires_grad else counted
    if not step:
        raise ValueError("arange: step must not be 0")
    if (end - start) * step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        dtype = float32 if any(isinstance(x, float) for x in (start, end, step)) else np.int64
    return made(np.arange(start, end, step).astype(as_dtype(dtype)), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` values evenly from `start` to `end`, both included."""
    values = np.linspace(start, end, steps)
    return made(values.astype(as_dtype(dtype or float32)), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The n × m matrix with ones on the diagonal."""
    return made(np.eye(n, m, dtype=as_dtype(dtype or float32)), device, requires_grad)
