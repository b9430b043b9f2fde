"""Calls that move elements, as copies between layouts and as native steps on positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyautograd.ops.index import PLACE
from pyautograd.ops.inplace import Region
from pyautograd.static.graph import Call

Locate = Callable[[Any], Any]  # from the array of a result or an operand to a view of it


class Copies(NamedTuple):
    """A result that is made of copies.

    background: what is everywhere at first: a number, an operand, or None where parts cover all.
    parts: (operand or number, the part of the result where it goes).
    only: the part of an operand that is copied; None for all of it.
    """

    background: Any
    parts: list[tuple[Any, Locate]]
    only: Locate | None = None


def copies_of(call: Call) -> Copies | None:
    """The copies that a call comes to; None where that is not all it does."""
    make = _COPIES.get(call.name)
    return None if make is None else make(call, *call.attrs)


def _whole(x: Any) -> Any:
    return x


def _at(key: Any) -> Locate:
    return lambda x: x[key]


def _clone(call: Call) -> Copies:
    return Copies(None, [(call.operands[0], _whole)])


def _cat(call: Call, dim: int, sizes: tuple[int, ...]) -> Copies:
    before = (slice(None),) * dim
    ends = np.cumsum(sizes).tolist()
    return Copies(
        None,
        [
            (x, _at((*before, slice(end - n, end))))
            for x, n, end in zip(call.operands, sizes, ends, strict=True)
        ],
    )


def _pad(call: Call, before: tuple[int, ...], after: tuple[int, ...], value: float) -> Copies:
    (x,) = call.operands
    key = tuple([slice(b, b + n) for b, n in zip(before, x.shape, strict=True)])
    return Copies(value, [(x, _at(key))])


def _slice_grad(call: Call, key: Any, shape: tuple[int, ...]) -> Copies:
    return Copies(0, [(call.operands[0], _at(_viewing(key)))])


def _viewing(key: Any) -> Any:
    """A key of integers and slices that gives a view even of a single element."""
    return key if any(k is ... for k in key) else (*key, ...)


def _located(where: Any) -> Locate | None:
    """The part of a C-contiguous array that a Region or a key of views is."""
    if not isinstance(where, Region):
        where = where if isinstance(where, tuple) else (where,)
        return None if any(isinstance(k, np.ndarray) for k in where) else _at(_viewing(where))
    repeats = any(s == 0 and n != 1 for s, n in zip(where.strides, where.shape, strict=True))
    in_order = where.order == tuple(range(len(where.order)))
    return where.of if in_order and not repeats else None


def _assign(call: Call, where: Any) -> Copies | None:
    part = _located(where)
    x, value = call.operands
    if part is None or value.dtype != x.dtype:
        return None
    return Copies(x, [(value, part)])


def _erase(call: Call, where: Any) -> Copies | None:
    part = _located(where)
    return None if part is None else Copies(call.operands[0], [(0, part)])


def _put(call: Call, where: Any, shape: tuple[int, ...]) -> Copies | None:
    part = _located(where)
    return None if part is None else Copies(0, [(call.operands[0], part)])


def _part(call: Call, where: Any) -> Copies | None:
    part = _located(where)
    return None if part is None else Copies(None, [(call.operands[0], _whole)], part)


_COPIES: dict[str, Callable[..., Copies | None]] = {
    "assign": _assign,
    "cat": _cat,
    "clone": _clone,
    "erase": _erase,
    "pad": _pad,
    "part": _part,
    "put": _put,
    "slice_grad": _slice_grad,
}


# ---- positions -----------------------------------------------------------------------------------


class Slices(NamedTuple):
    """x[key] as slices of a view of x, at positions along neighbouring dimensions.

    locate: the view.
    dim: its first dimension that is indexed.
    dims: the numbers in x of those that are.
    whole: whether the view is x as it is.
    """

    locate: Locate
    dim: int
    dims: list[int]
    whole: bool


def slices_of(key: Any, ndim: int) -> Slices | None:
    """How the steps "index" and "index_add" come by x[key], x of `ndim` dimensions.

    By NumPy's rules integers count as index arrays beside index arrays, and what is indexed stands
    first in the result where it is not side by side. None where the key has arrays of its own.
    """
    if any(isinstance(k, np.ndarray) for k in key):
        return None
    if any(k is ... for k in key):
        at = next(i for i, k in enumerate(key) if k is ...)
        rest = ndim - sum(k is not None and k is not ... for k in key)
        key = (*key[:at], *[slice(None)] * rest, *key[at + 1 :])
    basic = tuple([slice(None) if k is PLACE else k for k in key])
    dims, places = [], []  # of what is indexed: in x, in the view
    x_dim = view_dim = 0
    for k in key:
        if k is PLACE:
            dims.append(x_dim)
            places.append(view_dim)
        x_dim += k is not None
        view_dim += not isinstance(k, int)
    advanced = [i for i, k in enumerate(key) if k is PLACE or isinstance(k, int)]
    together = advanced[-1] - advanced[0] + 1 == len(advanced)
    whole = all(k is PLACE or k == slice(None) for k in key)
    if together:
        return Slices(_at(basic), places[0], dims, whole)

    def in_front(x: Any) -> Any:
        view = x[basic]
        return view.transpose([*places, *[d for d in range(view.ndim) if d not in places]])

    return Slices(in_front, 0, dims, False)
