"""Reductions, and the sum that undoes broadcasting."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from pyautograd import _C, tape
from pyautograd.op import method, primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.shape import Dims, dims_of, index_of_dim, reshape
from pyautograd.tape import OUT, SHAPE
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def _kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the reduced dimensions kept as 1."""
    return tuple([1 if d in dims else n for d, n in enumerate(shape)])


def _reduced(shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    return _kept(shape, dims) if keepdim else tuple(n for d, n in enumerate(shape) if d not in dims)


def _sum_rule(
    K: Any, g: Any, saved: Any, needs: Any, dims: Any, keepdim: bool, scale: float
) -> Any:
    (shape,) = saved
    if scale != 1.0:
        g = K.mul(g, scale)
    return (K.expand(g if keepdim else K.reshape(g, _kept(shape, dims)), shape),)


# sum(x, dims, keepdim, scale): scale * the sum over dims, so that mean is the same kernel.
_sum = primitive(
    "sum",
    "reduction",
    _C.reduce_sum,
    _sum_rule,
    lambda x, dims, keepdim, scale: (_reduced(x.shape, dims, keepdim), x.dtype),
    saves=(SHAPE,),
    linear=(0,),
)


def _of_integers(name: str, function: Any, dtype: Any) -> Any:
    """A reduction(x, dims, keepdim) to integers or bools, without a gradient."""

    def forward(x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        return np.asarray(function(x, axis=dims, keepdims=keepdim).astype(dtype, copy=False))

    def infer(x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        return _reduced(x.shape, dims, keepdim), np.dtype(dtype)

    return primitive(name, "reduction", forward, None, infer)


_sum_integers = _of_integers("sum_integers", partial(np.sum, dtype=np.int64), np.int64)
_prod_integers = _of_integers("prod_integers", partial(np.prod, dtype=np.int64), np.int64)
_all = _of_integers("all", np.all, bool)
_any = _of_integers("any", np.any, bool)


@method()
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The sum over `dim` (one, several, or None for all). Integers and bools sum to int64.

    float32 is added in short float32 blocks and then in float64, in an order that depends on the
    shape alone.

    >>> import pyautograd as ag
    >>> ag.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
    tensor([4., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    dims = dims_of("sum", input.ndim, dim)
    if input.dtype.kind != "f":
        return _sum_integers(input, dims, keepdim)
    return _sum(input, dims, keepdim, 1.0)


def _float_only(op: str, input: Tensor) -> None:
    if input.dtype.kind != "f":
        raise TypeError(f"{op}: expected float32 or float64, got {input.dtype}; convert it first")


@method()
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The mean over `dim` (one, several, or None for all); NaN over nothing."""
    if dtype is not None:
        input = input.to(dtype)
    _float_only("mean", input)
    dims = dims_of("mean", input.ndim, dim)
    count = math.prod([input.shape[d] for d in dims])
    return _sum(input, dims, keepdim, 1.0 / count if count else math.nan)


@method()
def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
) -> Tensor:
    """The variance over `dim`: the sum of squared deviations over (count - correction).

    `unbiased=False` means correction=0.
    """
    if unbiased is not None:
        correction = 1 if unbiased else 0
    _float_only("var", input)
    dims = dims_of("var", input.ndim, dim)
    count = math.prod([input.shape[d] for d in dims])
    deviation = ew.sub(input, mean(input, dims, keepdim=True))
    freedom = count - correction if count > correction else 0
    scale = 1.0 / freedom if freedom else math.inf if count > 1 else math.nan
    if not freedom:  # 0 degrees of freedom: 0 * inf and 0 / 0 are NaN, as in PyTorch
        return ew.mul(_sum(ew.square(deviation), dims, keepdim, 1.0), scale)
    return _sum(ew.square(deviation), dims, keepdim, scale)


@method()
def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
) -> Tensor:
    """The square root of `var`. Its gradient is 0 where all values are equal."""
    variance = var(input, dim, unbiased, keepdim, correction=correction)
    is_zero = variance == 0.0
    return ew.where(is_zero, 0.0, ew.sqrt(ew.where(is_zero, 1.0, variance)))


@method()
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product over one dimension, or all.

    Multiplied in halves, as a tree of element-wise products: hence gradients of any order that are
    exact where factors are 0, where `out / x` would not be.
    """
    dims = dims_of("prod", input.ndim, dim)
    if input.dtype.kind != "f":
        return _prod_integers(input, dims, keepdim)
    shape = input.shape
    x = reshape(input, (-1,)) if dim is None else input.movedim(dims[0], 0)
    if not x.shape[0]:
        return wrap(np.ones(_reduced(shape, dims, keepdim), input.dtype))
    while (n := x.shape[0]) > 1:
        half = n // 2
        halves = ew.mul(x[:half], x[half : 2 * half])
        x = _append(halves, x[2 * half :]) if n % 2 else halves
    return reshape(x[0], _reduced(shape, dims, keepdim))


def _append(a: Tensor, b: Tensor) -> Tensor:
    from pyautograd.ops.shape import cat

    return cat((a, b), 0)


# ---- largest and smallest ------------------------------------------------------------------------


def _extreme_rule(
    K: Any, g: Any, saved: Any, needs: Any, dims: Any, keepdim: bool, largest: bool
) -> Any:
    """Equal extremes share the gradient evenly."""
    x, out = saved
    if not keepdim:
        kept = _kept(x.shape, dims)
        g, out = K.reshape(g, kept), K.reshape(out, kept)
    equal = K.cast(K.eq(x, out), x.dtype)
    return (K.mul(equal, K.div(g, K.sum(equal, dims, True, 1.0))),)


def _extreme_forward(x: Any, dims: tuple[int, ...], keepdim: bool, largest: bool) -> Any:
    if x.dtype.kind == "f":
        return _C.amax(x, dims, keepdim, largest)
    return np.asarray((np.amax if largest else np.amin)(x, axis=dims, keepdims=keepdim))


def _extreme_along_forward(x: Any, dim: int, largest: bool) -> Any:
    if x.dtype.kind == "f":
        return _C.max_dim(x, dim, largest)
    where = (np.argmax if largest else np.argmin)(x, dim)
    values = np.take_along_axis(x, np.expand_dims(where, dim), dim).squeeze(dim)
    return values, np.asarray(where)


# extreme(x, dims, keepdim, largest)
_extreme = primitive(
    "extreme",
    "reduction",
    _extreme_forward,
    _extreme_rule,
    lambda x, dims, keepdim, largest: (_reduced(x.shape, dims, keepdim), x.dtype),
    saves=(0, OUT),
    broadcasts=True,
)

# extreme_along(x, dim, largest): (values, indices), the dimension removed.
_extreme_along = primitive(
    "extreme_along",
    "reduction",
    _extreme_along_forward,
    lambda K, g, saved, needs, dim, largest: (
        K.scatter_add(
            K.reshape(g, _kept(saved[1], (dim,))),
            K.reshape(saved[0], _kept(saved[1], (dim,))),
            dim,
            saved[1],
        ),
    ),
    lambda x, dim, largest: (_reduced(x.shape, (dim,), False), x.dtype),
    saves=(OUT - 1, SHAPE),
)


def _extremes(input: Tensor, dim: Dims, keepdim: bool, largest: bool) -> Tensor:
    name = "amax" if largest else "amin"
    dims = dims_of(name, input.ndim, dim)
    if 0 in [input.shape[d] for d in dims]:
        raise ValueError(f"{name}: nothing to compare in shape {input.shape} over {dims}")
    return _extreme(input, dims, keepdim, largest)


@method()
def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest value over `dim`; equal ones share the gradient. NaN wins."""
    return _extremes(input, dim, keepdim, True)


@method()
def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest value over `dim`; equal ones share the gradient. NaN wins."""
    return _extremes(input, dim, keepdim, False)


class ValuesAndIndices(tuple[Tensor, Tensor]):
    """The pair (values, indices), also by name."""

    @property
    def values(self) -> Tensor:
        """The values."""
        return self[0]

    @property
    def indices(self) -> Tensor:
        """Their positions, int64."""
        return self[1]

    def __repr__(self) -> str:
        return f"(values={self[0]!r}, indices={self[1]!r})"


def _along(name: str, input: Tensor, dim: int, keepdim: bool, largest: bool) -> Any:
    d = index_of_dim(name, input.ndim, dim)
    if not input.ndim:
        return ValuesAndIndices((input, wrap(np.zeros((), np.int64))))
    if not input.shape[d]:
        raise IndexError(f"{name}: dimension {dim} of shape {input.shape} is empty")
    values, indices = _extreme_along(input, d, largest)
    if keepdim:
        kept = _kept(input.shape, (d,))
        values, indices = reshape(values, kept), reshape(indices, kept)
    return ValuesAndIndices((values, indices))


@method()
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest value; with `dim`, the pair (values, indices) along it, first of equals.

    With a second tensor, the larger of the two element by element, as `maximum`.
    """
    if isinstance(dim, Tensor):
        return ew.maximum(input, dim)
    return amax(input) if dim is None else _along("max", input, dim, keepdim, True)


@method()
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest value; with `dim`, the pair (values, indices) along it, first of equals."""
    if isinstance(dim, Tensor):
        return ew.minimum(input, dim)
    return amin(input) if dim is None else _along("min", input, dim, keepdim, False)


# arg_extreme(x, largest): the position in the flattened input.
_arg_extreme = primitive(
    "arg_extreme",
    "reduction",
    lambda x, largest: np.asarray((np.argmax if largest else np.argmin)(x)),
    None,
    lambda x, largest: ((), np.dtype(np.int64)),
)


def _arg(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if dim is None:
        if not input.numel():
            raise ValueError(f"{name}: nothing to compare in shape {input.shape}")
        where = _arg_extreme(input, name == "argmax")
        return reshape(where, (1,) * input.ndim) if keepdim else where
    return _along(name, input, dim, keepdim, name == "argmax").indices


@method()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The position of the largest value (the first of equals), int64; in the flattened input if
    `dim` is None.
    """
    return _arg("argmax", input, dim, keepdim)


@method()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The position of the smallest value (the first of equals), int64."""
    return _arg("argmin", input, dim, keepdim)


@method()
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true."""
    return _all(input, dims_of("all", input.ndim, dim), keepdim)


@method()
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether some element is true."""
    return _any(input, dims_of("any", input.ndim, dim), keepdim)


# ---- undoing broadcasting ------------------------------------------------------------------------


def _sum_to_forward(x: Any, shape: tuple[int, ...]) -> Any:
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(
        [lead + d for d, n in enumerate(shape) if n == 1 and x.shape[lead + d] != 1]
    )
    return _C.reduce_sum(x, dims, True, 1.0).reshape(shape)


# sum_to(x, shape): summed over the dimensions along which `shape` would be broadcast to x.
_sum_to = primitive(
    "sum_to",
    "reduction",
    _sum_to_forward,
    lambda K, g, saved, needs, shape: (K.expand(g, saved[0]),),
    lambda x, shape: (shape, x.dtype),
    saves=(SHAPE,),
    linear=(0,),
)


def _to_layout(K: Any) -> Any:
    def to_layout(x: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        if x.shape != shape:
            x = K.sum_to(x, shape)
        return x if x.dtype == dtype else K.cast(x, dtype)

    return to_layout


for _space in (tape.arrays, tape.tensors):
    _space.to_layout = _to_layout(_space)
