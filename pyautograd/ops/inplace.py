"""Changing tensors in place, with the tape following: also through views, in both directions.

A recorded change gives the tensor a new node, which computes the new values from the old ones. If
the tensor is a view, its base changes with it: the base's new node is `assign`, the old values with
the view's new ones written over a part of them, and every view of that base becomes `part` of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pyautograd import _C, modes
from pyautograd.graph import Node, Symbol, record
from pyautograd.modes import is_grad_enabled, mark_modified, state, tracer
from pyautograd.op import OPS, graph_of, method, primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.index import array_key
from pyautograd.tape import SHAPE, arrays
from pyautograd.tensor import Tensor, as_tensor, wrap

# ---- parts of a tensor ---------------------------------------------------------------------------


class Region(NamedTuple):
    """Where a view lies in its base, in elements of the base laid out in C order by `order`."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    order: tuple[int, ...]  # of the base's dimensions in memory

    def of(self, array: Any) -> Any:
        """The region of an array of the base's shape; a view of it where its layout allows."""
        flat = np.ascontiguousarray(array.transpose(self.order)).reshape(-1)
        strides = [s * array.itemsize for s in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides)


def region(op: str, view: Any, base: Any) -> Region:
    """Where the memory of an array lies in that of its base."""
    order = tuple(np.argsort([-s for s in base.strides], kind="stable").tolist())
    size = base.itemsize
    if not base.transpose(order).flags.c_contiguous:
        raise RuntimeError(
            f"{op}: the tensor is a view of one with strides {base.strides} (shape {base.shape}), "
            "which has gaps; clone() that one before it is viewed"
        )
    start = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return Region(start // size, view.shape, tuple([s // size for s in view.strides]), order)


def _written(x: Any, value: Any, where: Any) -> Any:
    """A copy of x with `value` at a Region, or at x[where]."""
    if not isinstance(where, Region):
        out = _C.copy(x)
        out[where] = value
        return out
    out = x.transpose(where.order).copy()  # C-contiguous, so that its region is a view
    where._replace(order=tuple(range(x.ndim))).of(out)[...] = value
    return out.transpose(np.argsort(where.order))


def _put(value: Any, where: Region, shape: tuple[int, ...]) -> Any:
    """value in zeros of that shape; what an expanded view repeats is added up."""
    repeated = tuple([d for d, s in enumerate(where.strides) if s == 0 and where.shape[d] != 1])
    if repeated:
        value = value.sum(repeated, keepdims=True)
    where = where._replace(shape=value.shape)
    return _written(np.zeros(shape, value.dtype), value, where)


def _part_of(K: Any, g: Any, where: Any) -> Any:
    if isinstance(where, Region):
        return K.part(g, where)
    if any(isinstance(k, np.ndarray) for k in where):
        return K.index(g, np.zeros(0, np.int64), where)  # the index arrays are in the key
    return K.slice(g, where)


# part(x, region); put(value, region, shape) is its adjoint. erase(x, where) has zeros there.
primitive(
    "part",
    "movement",
    lambda x, where: where.of(x).copy(),
    lambda K, g, saved, needs, where: (K.put(g, where, saved[0]),),
    lambda x, where: (where.shape, x.dtype),
    saves=(SHAPE,),
    picks=True,
)
primitive(
    "put",
    "movement",
    _put,
    lambda K, g, saved, needs, where, shape: (K.part(g, where),),
    lambda value, where, shape: (shape, value.dtype),
)
primitive(
    "erase",
    "movement",
    lambda x, where: _written(x, 0, where),
    lambda K, g, saved, needs, where: (K.erase(g, where),),
    lambda x, where: (x.shape, x.dtype),
)
# assign(x, value, where): x with value, broadcast, at a Region or at x[where].
primitive(
    "assign",
    "movement",
    _written,
    lambda K, g, saved, needs, where: (
        needs[0] and K.erase(g, where),
        needs[1] and _part_of(K, g, where),
    ),
    lambda x, value, where: (x.shape, x.dtype),
    inputs=2,
    broadcasts=True,
)


def store(x: Tensor, key: Any, values: Any) -> None:
    """x[key] = values, arrays both."""
    if state.tracing and (trace := tracer()) is not None:
        trace.store(x, key, values)
    else:
        x._array[key] = values


# ---- the tape follows ----------------------------------------------------------------------------


def _base(x: Tensor) -> Tensor:
    """The tensor of which x is a view, x itself where it is none."""
    base = getattr(x, "_base", x)
    # What asked for a view may have got a copy (reshape of strides that do not allow it).
    if base is not x and isinstance(x._array, Symbol):
        return base if _region(x, base, "") is not None else x
    return base if modes.owner(base._array) is modes.owner(x._array) else x


def _region(x: Tensor, base: Tensor, op: str) -> Any:
    """Where x lies in its base; None where it has a copy, in a graph that is being built."""
    if isinstance(x._array, Symbol):
        trace = tracer()
        return trace and trace.region(x, base)
    return region(op, x._array, base._array)


def writable(x: Tensor, op: str, recorded: bool) -> np.ndarray[Any, Any]:
    """The array of x, to be changed by `op`; refuses what must not be changed."""
    if not x._array.flags.writeable:
        raise ValueError(f"{op}: the tensor's memory is read-only")
    base = _base(x)
    if base is not x and x._node is None and base.requires_grad and is_grad_enabled():
        raise RuntimeError(
            f"{op}: the tensor is a view, made under no_grad(), of one that requires a gradient: "
            "the tape would miss the change; change it under no_grad(), too, or make the view "
            "outside"
        )
    if recorded and base.requires_grad and base.is_leaf:
        what = "a leaf" if base is x else "a view of a leaf"
        raise RuntimeError(
            f"{op}: {what} that requires a gradient cannot be changed in place while ops are "
            "recorded; do it under no_grad(), or use the op that makes a new tensor"
        )
    return x._array


def changed_in_place(x: Tensor, op: str, node: Node | None = None) -> Tensor:
    """Tells the tape that `op` has changed x in place, and which node computes the new values."""
    mark_modified(x._array, op)
    if node is None:
        return x
    base = _base(x)
    if base is not x:
        # The view's values are written over a part of the base's.
        where = _region(x, base, op)
        node, value = record(OPS["assign"], (base._node, node), None), node
        node.attrs = (where,)
        assert value is not None
    _renew(base, node)
    for reference in getattr(base, "_views", ()):
        view = reference()
        if view is not None and _base(view) is base:
            again = record(OPS["part"], (node,), (base._array.shape,))
            again.attrs = (_region(view, base, op),)
            _renew(view, again)
    return x


def _renew(x: Tensor, node: Node) -> None:
    """Puts x at another node, and what `retain_grad` asked for with it."""
    old, x._node = x._node, node
    if old is not None and old.hooks is not None:
        for key, hook in list(old.hooks.retain.items()):
            if hook.tensor() is x:
                del old.hooks.retain[key]
                node._hooks().add("retain", hook)


def _recorded(*operands: Any) -> bool:
    return is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in operands)


def _check_cast(op: str, source: Any, target: Any) -> None:
    if not np.can_cast(source, target, "same_kind"):
        raise TypeError(f"{op}: a result of {source} does not fit into a tensor of {target}")


# ---- assignment ----------------------------------------------------------------------------------


def assign(x: Tensor, op: str, key: Any, value: Any, recorded: bool | None = None) -> Tensor:
    """x[key] = value under the name `op`; `key` as NumPy takes it."""
    if isinstance(value, Tensor):
        pass
    elif isinstance(value, (int, float, np.ndarray, np.generic, list, tuple)):
        value = as_tensor(value, None if isinstance(value, np.ndarray) else x.dtype)
    else:
        raise TypeError(f"{op}: expected a tensor or a number, got {type(value).__name__}")
    if modes.state.building and (graph := graph_of([x, value])) is not None:
        return graph.run(assign, x, op, key, value, recorded)
    recorded = _recorded(x, value)
    array = writable(x, op, recorded)
    try:
        store(x, key, value._array)
    except (ValueError, IndexError) as error:
        raise type(error)(f"{op}: {error} (shape {array.shape})") from None
    if not recorded:
        return changed_in_place(x, op)
    node = record(OPS["assign"], (x._node, value._node), None)
    node.attrs = (key,)
    node.layouts = ((x.shape, x.dtype), (value.shape, value.dtype))
    return changed_in_place(x, op, node)


@method("__setitem__")
def setitem(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, in place, by NumPy's rules."""
    assign(x, "assignment", array_key("assignment", x, key), value)


@method()
def copy_(x: Tensor, source: Tensor) -> Tensor:
    """Takes over the values of `source`, broadcast and cast to this shape and dtype."""
    return assign(x, "copy_", (...,), source)


@method()
def fill_(x: Tensor, value: float) -> Tensor:
    """Sets every element to a number."""
    return assign(x, "fill_", (...,), value)


@method()
def zero_(x: Tensor) -> Tensor:
    """Sets every element to 0."""
    return assign(x, "zero_", (...,), 0)


# ---- ops -----------------------------------------------------------------------------------------


def in_place(function: Any) -> Any:
    name = f"{function.__name__}_"
    op = OPS.get(function.__name__)
    overwrites = op is None or any(0 <= where < SHAPE for where in op.saves)

    def run(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        recorded = _recorded(self, *args)
        array = writable(self, name, recorded)  # refuses before anything is computed
        old = self
        if recorded and overwrites:  # backward may need the values that are about to go
            old = wrap(arrays.clone(array), self._node)
            args = tuple([old if x is self else x for x in args])
        new = function(old, *args, **kwargs)
        if new.shape != self.shape:
            raise ValueError(
                f"{name}: a result of shape {new.shape} does not fit into a tensor of shape "
                f"{self.shape}"
            )
        _check_cast(name, new.dtype, self.dtype)
        node = new.to(self.dtype)._node
        store(self, (...,), new._array)
        return changed_in_place(self, name, node)

    run.__doc__ = f"`{function.__name__}`, in place."
    method(name)(run)
    return run


for _name in (
    "add", "sub", "mul", "div", "pow", "neg", "abs", "exp", "log", "sqrt", "rsqrt", "reciprocal",
    "square", "sign", "tanh", "sigmoid", "relu", "clamp", "masked_fill",
):  # fmt: skip
    in_place(getattr(ew, _name))


def _augmented(name: str, function: Any) -> None:
    def run(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Tensor, int, float, np.ndarray, np.generic)):
            return NotImplemented
        return function(self, other)

    method(name)(run)


for _name, _operator in (
    ("add_", "__iadd__"), ("sub_", "__isub__"), ("mul_", "__imul__"), ("div_", "__itruediv__"),
    ("pow_", "__ipow__"),
):  # fmt: skip
    _augmented(_operator, getattr(Tensor, _name))
