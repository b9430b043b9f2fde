"""Indexing, basic (views) and advanced (gathers); the adjoints add where places repeat."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.cost import per_element
from pyautograd.modes import state, tracer
from pyautograd.op import has_values, method, primitive
from pyautograd.ops.shape import index_of_dim, slice_view, sliced_shape, stack, unsqueeze
from pyautograd.tape import SHAPE
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "gather",
    "index_select",
    "masked_select",
]


def _index_add(g: Any, key: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """g added into zeros of that shape at x[key], in order."""
    leading, count = len(shape), math.prod(shape)
    dim = _only_indexed(key)
    if dim is not None and g.dtype.kind == "f":
        n, rows = shape[dim], key[dim].reshape(-1)
        flat = g.reshape(*shape[:dim], len(rows), *shape[dim + 1 :])
        return _C.index_add(flat, dim, np.where(rows < 0, rows + n, rows), n)
    if all(isinstance(k, np.ndarray) and k.dtype != np.bool_ for k in key):
        # Arrays for the leading dimensions: whole rows.
        leading = len(key)
        count = math.prod(shape[:leading])
        places = [
            np.where(k < 0, k + n, k)
            for k, n in zip(np.broadcast_arrays(*key), shape, strict=False)
        ]
        rows = np.ravel_multi_index(tuple(places), shape[:leading])
    else:
        rows = np.arange(count).reshape(shape)[key]
    rows = rows.reshape(-1)
    return _C.index_add(g.reshape(len(rows), *shape[leading:]), 0, rows, count).reshape(shape)


def _only_indexed(key: tuple[Any, ...]) -> int | None:
    """The dimension of the only index tensor, where the key has nothing else but whole slices."""
    dims = [d for d, k in enumerate(key) if not (isinstance(k, slice) and k == slice(None))]
    if len(dims) != 1:
        return None
    k = key[dims[0]]
    return dims[0] if isinstance(k, np.ndarray) and k.dtype == np.int64 else None


def _index_forward(x: Any, places: Any, key: tuple[Any, ...]) -> Any:
    full = _full_key(places, key)
    dim = _only_indexed(full)
    if dim is not None and len(full) <= x.ndim:
        return _C.index_select(x, dim, full[dim])
    return np.asarray(_C.cached(operator.getitem, x, full))


class _Place:
    """Where in a key the next of the index tensors belongs."""

    def __repr__(self) -> str:
        return "<place>"


PLACE = _Place()


def _full_key(places: Any, key: tuple[Any, ...]) -> tuple[Any, ...]:
    rest = iter(places)
    return tuple([next(rest) if k is PLACE else k for k in key])


def _infer_index(x: Any, places: Any, key: Any) -> Any:
    shown = np.broadcast_to(np.zeros((), np.int64), places.shape)  # a symbol has sizes alone
    return sliced_shape(x, _full_key(shown, key)), x.dtype


# index(x, places, key): x[key] with the index tensors, stacked in places, where key has PLACE.
_index = primitive(
    "index",
    "movement",
    _index_forward,
    lambda K, g, saved, needs, key: (K.index_add(g, saved[0], key, saved[1]), None),
    _infer_index,
    saves=(1, SHAPE),
    inputs=2,
    linear=(0,),
    picks=True,
)
primitive(
    "index_add",
    "movement",
    lambda g, places, key, shape: _index_add(g, _full_key(places, key), shape),
    lambda K, g, saved, needs, key, shape: (K.index(g, saved[0], key), None),
    lambda g, places, key, shape: (shape, g.dtype),
    saves=(1,),
    inputs=2,
    linear=(0,),
    flops=per_element(),
)


def _stacked(indices: list[Any]) -> Tensor:
    """The index tensors, broadcast to one shape, as one."""
    if not indices:
        return wrap(np.zeros((0,), np.int64))
    if len(indices) == 1:
        return unsqueeze(indices[0], 0)
    shape = _C.broadcast_shapes("index", *[k.shape for k in indices])
    return stack([k.expand(shape) for k in indices])


def _plain_key(op: str, x: Tensor, key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """The key with PLACE for tensors, lists and masks (as positions); and the index tensors."""
    parts: list[Any] = []
    indices: list[Any] = []
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, Tensor) and not has_values(k):
            if k.dtype.kind not in "iu":
                raise IndexError(
                    f"{op}: index tensors without values here have integers, got {k.dtype}: how "
                    "many elements a mask takes is not known; use where()"
                )
            indices.append(k.to(np.int64))
            parts.append(PLACE)
            continue
        if isinstance(k, Tensor):
            k = k._array
            if state.tracing and (trace := tracer()) is not None:
                trace.read_for_key(k)
        elif isinstance(k, (list, range)):
            k = np.asarray(k, None if len(k) else np.int64)
        if isinstance(k, np.generic) and k.dtype.kind in "iu":
            k = int(k)
        if isinstance(k, (bool, np.bool_)):
            k = np.asarray(k)
        if isinstance(k, np.ndarray):
            if k.dtype == np.bool_:
                if k.ndim == 0:
                    parts.append(k.copy())
                    continue
                at = sum(1 for p in parts if p is not None)
                seen = x.shape[at : at + k.ndim]
                if seen != k.shape and not any(p is Ellipsis for p in parts):
                    raise IndexError(
                        f"{op}: a mask of shape {k.shape} for the dimensions {seen} of shape "
                        f"{x.shape}"
                    )
                indices.extend([wrap(found) for found in np.nonzero(k)])
                parts.extend([PLACE] * k.ndim)
                continue
            if k.dtype.kind not in "iu":
                raise IndexError(f"{op}: index tensors have integers or bools, got {k.dtype}")
            if k.ndim == 0:
                k = int(k)
            else:
                indices.append(wrap(k.astype(np.int64)))  # a copy: backward needs it as it is now
                k = PLACE
        elif not (k is None or k is Ellipsis or isinstance(k, (int, slice))):
            raise IndexError(
                f"{op}: indices are integers, slices, None, ..., tensors and lists, "
                f"got {type(k).__name__}"
            )
        parts.append(k)
    return tuple(parts), indices


_BASIC = frozenset((int, slice, type(None)))  # of keys that say where to look


@method("__getitem__")
def getitem(x: Tensor, key: Any) -> Tensor:
    """x[key] by NumPy's rules: a view for integers and slices, a copy for tensors and masks."""
    parts = key if type(key) is tuple else (key,)
    if _BASIC.issuperset(map(type, parts)):
        try:
            return slice_view(x, (*parts, ...))  # ...: NumPy gives a view even of a single element
        except IndexError as error:
            raise IndexError(f"index: {error} (shape {x.shape})") from None
    plain, indices = _plain_key("index", x, key)
    basic = not indices and not any(isinstance(k, np.ndarray) for k in plain)
    try:
        if not basic:
            return _index(x, _stacked(indices), plain)
        if not any(k is Ellipsis for k in plain):
            plain = (*plain, ...)
        return slice_view(x, plain)
    except IndexError as error:
        raise IndexError(f"index: {error} (shape {x.shape})") from None


def array_key(op: str, x: Tensor, key: Any) -> tuple[Any, ...]:
    """The key as NumPy takes it."""
    plain, indices = _plain_key(op, x, key)
    return _full_key([k._array for k in indices], plain)


# ---- along one dimension -------------------------------------------------------------------------

_gather = primitive(
    "gather",
    "movement",
    lambda x, index, dim: _C.gather(x, dim, index),
    lambda K, g, saved, needs, dim: (K.scatter_add(g, saved[0], dim, saved[1]), None),
    lambda x, index, dim: (index.shape, x.dtype),
    saves=(1, SHAPE),
    inputs=2,
    linear=(0,),
    fresh=True,
    picks=True,
)
primitive(
    "scatter_add",
    "movement",
    lambda g, index, dim, shape: _C.scatter_add(g, dim, index, shape),
    lambda K, g, saved, needs, dim, shape: (K.gather(g, saved[0], dim), None),
    lambda g, index, dim, shape: (shape, g.dtype),
    saves=(1,),
    inputs=2,
    linear=(0,),
    fresh=True,
    flops=per_element(),
)


@method()
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i][j][k] = input[i][index[i][j][k]][k] for dim = 1, and so on.

    `index` (int64) has as many dimensions as `input`, and in the others than `dim` at most its
    sizes. Raises IndexError for an index out of range.
    """
    return _gather(input, index, index_of_dim("gather", input.ndim, dim))


@method()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `input` at the positions `index` (1-D) along `dim`."""
    d = index_of_dim("index_select", input.ndim, dim)
    if index.ndim != 1:
        raise ValueError(f"index_select: expected a 1-D index, got shape {index.shape}")
    if index.dtype.kind not in "iu":
        raise IndexError(f"index_select: expected an index of integers, got {index.dtype}")
    try:
        places = unsqueeze(index.to(np.int64), 0)
        return _index(input, places, (slice(None),) * d + (PLACE,))
    except IndexError as error:
        raise IndexError(f"index_select: {error} (shape {input.shape})") from None


@method()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` is true, in order, 1-D."""
    return getitem(input.expand(_common(input, mask)), mask.expand(_common(input, mask)))


def _common(a: Tensor, b: Tensor) -> tuple[int, ...]:
    return _C.broadcast_shapes("masked_select", a.shape, b.shape)
