"""Movement ops: views, joining, padding. None computes; most copy nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.graph import SymbolicNumber
from pyautograd.op import has_values, method, primitive, result_dtype
from pyautograd.tape import SHAPE
from pyautograd.tensor import Tensor, as_tensor, wrap

__all__ = [
    "broadcast_to",
    "cat",
    "chunk",
    "clone",
    "detach",
    "flatten",
    "flip",
    "movedim",
    "pad",
    "permute",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "t",
    "transpose",
    "unbind",
    "unsqueeze",
]

Dims = int | Sequence[int] | None


def index_of_dim(op: str, ndim: int, dim: int) -> int:
    """A dimension number in [0, ndim), from one in [-ndim, ndim); IndexError otherwise."""
    n = ndim or 1
    try:
        d = index(dim)
    except TypeError:
        raise TypeError(
            f"{op}: expected an integer as dimension, got {type(dim).__name__}"
        ) from None
    if not -n <= d < n:
        raise IndexError(f"{op}: dimension {dim} is out of range [-{n}, {n - 1}]")
    return d + n if d < 0 else d


def dims_of(op: str, ndim: int, dim: Dims) -> tuple[int, ...]:
    """Dimension numbers in [0, ndim), sorted; all of them for None or ()."""
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        d = index_of_dim(op, ndim, dim)  # type: ignore[arg-type]
        return (d,) if ndim else ()
    dims = sorted([index_of_dim(op, ndim, d) for d in dim])
    if len(set(dims)) != len(dims):
        raise ValueError(f"{op}: a dimension appears twice in {tuple(dim)}")
    return tuple(dims) if dims and ndim else tuple(range(ndim))


def _sizes(args: Any) -> tuple[Any, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    if len(args) == 1 and isinstance(args[0], (tuple, list, range)):
        args = args[0]
    try:
        return tuple(
            [n if type(n) is int or isinstance(n, SymbolicNumber) else index(n) for n in args]
        )
    except TypeError:
        raise TypeError(f"expected integers as sizes or dimensions, got {args!r}") from None


# ---- views ---------------------------------------------------------------------------------------

_reshape = primitive(
    "reshape",
    "movement",
    lambda x, shape: x.reshape(shape),
    lambda K, g, saved, needs, shape: (K.reshape(g, saved[0]),),
    lambda x, shape: (shape, x.dtype),
    saves=(SHAPE,),
    view=True,
)
_permute = primitive(
    "permute",
    "movement",
    lambda x, dims: x.transpose(dims),
    lambda K, g, saved, needs, dims: (
        K.permute(g, tuple([dims.index(d) for d in range(len(dims))])),
    ),
    lambda x, dims: (tuple(x.shape[d] for d in dims), x.dtype),
    view=True,
)
_expand = primitive(
    "expand",
    "movement",
    _C.expand,
    lambda K, g, saved, needs, shape: (K.sum_to(g, saved[0]),),
    lambda x, shape: (shape, x.dtype),
    saves=(SHAPE,),
    view=True,
)


def _resolve(op: str, old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """`new` with its -1, if any, replaced by what makes the sizes agree."""
    count = math.prod(old)
    unknown = [d for d, n in enumerate(new) if n == -1]
    known = math.prod([n for n in new if n != -1])
    fits = known == count if not unknown else len(unknown) == 1 and known and count % known == 0
    if not fits or any(n < -1 for n in new):
        raise ValueError(f"{op}: shape {old} ({count} elements) does not fit into {new}")
    return tuple([count // known if n == -1 else n for n in new])


@method()
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape, in C order; one size may be -1.

    A view where strides allow it, a copy otherwise.
    """
    new = _C.resolve_shape(input.shape, shape)
    return _reshape(input, _resolve("reshape", input.shape, _sizes(shape)) if new is None else new)


@method()
def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, but never a copy: ValueError where strides would need one."""
    result = reshape(input, *shape)
    if not has_values(input) or input._array.flags.c_contiguous or not result.numel():
        return result
    if not np.may_share_memory(result._array, input._array):
        raise ValueError(
            f"view: strides {input.stride()} of shape {input.shape} do not allow shape "
            f"{result.shape} without a copy; use reshape()"
        )
    return result


@method()
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` in the shape of `other`, as a view."""
    return view(input, other.shape)


@method()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim`, both included, as one."""
    shape = input.shape or (1,)
    start = index_of_dim("flatten", len(shape), start_dim)
    end = index_of_dim("flatten", len(shape), end_dim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(shape[start : end + 1])
    return _reshape(input, (*shape[:start], merged, *shape[end + 1 :]))


@method()
def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those of `dim` that have it."""
    dims = dims_of("squeeze", input.ndim, dim)
    return _reshape(input, tuple([n for d, n in enumerate(input.shape) if n != 1 or d not in dims]))


@method()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 before `dim`; -1 puts it last."""
    d = index_of_dim("unsqueeze", input.ndim + 1, dim)
    return _reshape(input, (*input.shape[:d], 1, *input.shape[d:]))


@method()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order, as a view."""
    order = tuple([index_of_dim("permute", input.ndim, d) for d in _sizes(dims)])
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(f"permute: {_sizes(dims)} is no order of {input.ndim} dimensions")
    return _permute(input, order)


@method()
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped, as a view."""
    a = index_of_dim("transpose", input.ndim, dim0)
    b = index_of_dim("transpose", input.ndim, dim1)
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = b, a
    return _permute(input, tuple(order))


@method()
def t(input: Tensor) -> Tensor:
    """A matrix transposed, as a view; vectors and scalars as they are."""
    if input.ndim > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {input.shape}")
    return transpose(input, 0, 1) if input.ndim == 2 else input


@method()
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions (one, or several) moved to other places, as a view."""
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    moved = {
        index_of_dim("movedim", input.ndim, b): index_of_dim("movedim", input.ndim, a)
        for a, b in zip(sources, targets, strict=False)
    }
    if not len(sources) == len(targets) == len(moved) == len(set(moved.values())):
        raise ValueError(f"movedim: cannot move dimensions {source} to {destination}")
    rest = iter([d for d in range(input.ndim) if d not in moved.values()])
    order = [moved[d] if d in moved else next(rest) for d in range(input.ndim)]
    return _permute(input, tuple(order))


Tensor.T = property(lambda self: _permute(self, tuple(range(self.ndim))[::-1]))  # type: ignore[attr-defined]
Tensor.mT = property(lambda self: transpose(self, -2, -1))  # type: ignore[attr-defined]


@method()
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Broadcast to larger sizes, as a read-only view; -1 keeps a size."""
    new = _sizes(sizes)
    lead = len(new) - input.ndim
    shape = tuple(
        [input.shape[d - lead] if n == -1 and d >= lead else n for d, n in enumerate(new)]
    )
    return _expand(input, shape)


@method()
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Broadcast to the shape of `other`."""
    return _expand(input, other.shape)


@method()
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast to `shape`."""
    return expand(input, shape)


_detach = primitive("detach", "movement", lambda x: x, None, lambda x: (x.shape, x.dtype))


def detach(input: Tensor) -> Tensor:
    """The same memory, off the tape."""
    return _detach(input)


# ---- copies --------------------------------------------------------------------------------------

_clone = primitive(
    "clone",
    "movement",
    _C.copy,
    lambda K, g, saved, needs: (g,),
    lambda x: (x.shape, x.dtype),
)


@method()
def clone(input: Tensor) -> Tensor:
    """A copy, on the tape."""
    return _clone(input)


@method()
def contiguous(input: Tensor) -> Tensor:
    """The same values with elements in order in memory; `input` itself where they are."""
    return input if input.is_contiguous() else clone(input)


# ---- parts ---------------------------------------------------------------------------------------


def _into_zeros(g: Any, key: Any, shape: tuple[int, ...]) -> Any:
    out = _C.cached(np.zeros, shape, g.dtype)
    out[key] = g
    return out


def sliced_shape(x: Any, key: Any) -> tuple[int, ...]:
    """The shape of x[key]."""
    return np.broadcast_to(np.empty((), bool), x.shape)[key].shape


# slice(x, key) by integers, slices, None and ... is a view; slice_grad puts g back into zeros.
slice_view = primitive(
    "slice",
    "movement",
    lambda x, key: x[key],
    lambda K, g, saved, needs, key: (K.slice_grad(g, key, saved[0]),),
    lambda x, key: (sliced_shape(x, key), x.dtype),
    saves=(SHAPE,),
    view=True,
)
primitive(
    "slice_grad",
    "movement",
    _into_zeros,
    lambda K, g, saved, needs, key, shape: (K.slice(g, key),),
    lambda g, key, shape: (shape, g.dtype),
)


def cut(x: Tensor, dim: int, key: int | slice) -> Tensor:
    """x[key] in a dimension, which is not negative, as a view."""
    return slice_view(x, (*(slice(None),) * dim, key, ...))  # ...: even of a single element


# ---- joining and splitting -----------------------------------------------------------------------


def _cat_rule(K: Any, g: Any, saved: Any, needs: Any, dim: int, sizes: Any) -> Any:
    grads, start = [], 0
    for need, size in zip(needs, sizes, strict=True):
        key = (slice(None),) * dim + (slice(start, start + size),)
        grads.append(None if need is None else K.slice(g, key))
        start += size
    return grads


_cat = primitive(
    "cat",
    "movement",
    lambda arrays, dim, sizes: _C.concatenate(list(arrays), dim),
    _cat_rule,
    lambda arrays, dim, sizes: (
        (*arrays[0].shape[:dim], sum(sizes), *arrays[0].shape[dim + 1 :]),
        arrays[0].dtype,
    ),
    inputs=-1,
    linear=(0,),
    broadcasts=True,
)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along an existing dimension.

    They agree in all other dimensions; mixed dtypes are promoted.
    """
    parts = [t if isinstance(t, Tensor) else as_tensor(t) for t in tensors]
    if not parts:
        raise ValueError("cat: expected at least one tensor")
    first, dtype = parts[0].shape, parts[0].dtype
    d = index_of_dim("cat", len(first), dim)
    if not first:
        raise ValueError("cat: 0-d tensors cannot be joined; use stack()")
    sizes, around = [], first[:d] + first[d + 1 :]
    for i, part in enumerate(parts):
        shape = part.shape
        if shape != first and shape[:d] + shape[d + 1 :] != around:
            raise ValueError(
                f"cat: tensor {i} of shape {shape} does not fit to {first} except in dimension {d}"
            )
        sizes.append(shape[d])
        if part.dtype is not dtype and part.dtype != dtype:
            dtype = result_dtype("add", np.empty(1, dtype), np.empty(1, part.dtype))
    if dtype is not parts[0].dtype or any(p.dtype is not dtype for p in parts):
        parts = [part.to(dtype) for part in parts]
    return _cat(parts, d, tuple(sizes))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, side by side along a new dimension."""
    parts = [t if isinstance(t, Tensor) else as_tensor(t) for t in tensors]
    if not parts:
        raise ValueError("stack: expected at least one tensor")
    shape = parts[0].shape
    for i, part in enumerate(parts):
        if part.shape != shape:
            raise ValueError(f"stack: tensor {i} has shape {part.shape}, the first {shape}")
    d = index_of_dim("stack", len(shape) + 1, dim)
    if d == len(shape):
        return cat([unsqueeze(part, d) for part in parts], d)
    return _reshape(cat(parts, d), (*shape[:d], len(parts), *shape[d:]))


def _cut(op: str, input: Tensor, dim: int) -> int:
    """The number of the dimension to be cut."""
    if not input.ndim:
        raise ValueError(f"{op}: a 0-d tensor has no dimension to cut")
    return index_of_dim(op, input.ndim, dim)


@method()
def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Pieces along `dim`: of one size (the last may be smaller), or of the sizes given. Views."""
    d = _cut("split", tensor, dim)
    n = tensor.shape[d]
    if isinstance(split_size_or_sections, (int, SymbolicNumber)):
        size = split_size_or_sections
        if size <= 0:
            raise ValueError(f"split: expected a positive size, got {size}")
        sections = [min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        sections = list(split_size_or_sections)
        if sum(sections) != n or any(s < 0 for s in sections):
            raise ValueError(
                f"split: sections {sections} do not add up to {n}, the size of dimension {d}"
            )
    pieces, start = [], 0
    for section in sections:
        pieces.append(cut(tensor, d, slice(start, start + section)))
        start += section
    return tuple(pieces)


@method()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim` (the last may be smaller). Views."""
    if chunks <= 0:
        raise ValueError(f"chunk: expected a positive number of chunks, got {chunks}")
    n = input.shape[_cut("chunk", input, dim)]
    return split(input, -(-n // chunks) or 1, dim)


@method()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without it."""
    d = _cut("unbind", input, dim)
    return tuple([cut(input, d, i) for i in range(input.shape[d])])


# ---- padding -------------------------------------------------------------------------------------


def _inner(shape: tuple[int, ...], before: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple([slice(b, b + n) for n, b in zip(shape, before, strict=True)])


# pad(x, before, after, value): no number negative.
_pad = primitive(
    "pad",
    "movement",
    _C.pad,
    lambda K, g, saved, needs, before, after, value: (K.slice(g, _inner(saved[0], before)),),
    lambda x, before, after, value: (
        tuple(n + b + a for n, b, a in zip(x.shape, before, after, strict=True)),
        x.dtype,
    ),
    saves=(SHAPE,),
    linear=(),  # unless value is 0
)

_BORDER = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Borders around the last dimensions: `pad` = (left, right, top, bottom, ...), last first.

    A negative number crops. `mode`: "constant" (filled with `value`, 0 by default), "reflect"
    (mirrored without the edge itself), "replicate" (the edge) or "circular".
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(
            f"pad: {tuple(pad)} does not give pairs for at most {input.ndim} dimensions"
        )
    before, after = [0] * input.ndim, [0] * input.ndim
    for i in range(len(pad) // 2):
        before[-1 - i], after[-1 - i] = int(pad[2 * i]), int(pad[2 * i + 1])
    for d, n in enumerate(input.shape):
        if n + before[d] + after[d] < 0:
            raise ValueError(
                f"pad: {tuple(pad)} crops more than dimension {d} of {input.shape} has"
            )
    if mode != "constant":
        return _pad_from_itself(input, before, after, mode)
    crop = tuple(
        [
            slice(max(0, -b), n - max(0, -a))
            for n, b, a in zip(input.shape, before, after, strict=True)
        ]
    )
    if any(b < 0 for b in before + after):
        input = input[crop]
    grow = [tuple([max(0, b) for b in border]) for border in (before, after)]
    return _pad(input, *grow, 0.0 if value is None else value)


def _pad_from_itself(input: Tensor, before: list[int], after: list[int], mode: str) -> Tensor:
    if mode not in _BORDER:
        raise ValueError(f"pad: mode {mode!r} is none of constant, {', '.join(_BORDER)}")
    for d, n in enumerate(input.shape):
        border = (before[d], after[d])
        if border == (0, 0):
            continue
        grow = [max(0, b) for b in border]
        limit = {"reflect": n - 1, "circular": n}.get(mode, math.inf)
        if not n or max(grow) > limit:
            raise ValueError(
                f"pad: {border} does not fit dimension {d} of {input.shape} in mode {mode}"
            )
        where = np.pad(np.arange(n), grow, mode=_BORDER[mode])  # type: ignore[call-overload]
        where = where[max(0, -before[d]) : len(where) - max(0, -after[d])]
        input = input[(slice(None),) * d + (wrap(where),)]
    return input


method()(pad)


@method()
def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reversed along the given dimensions."""
    chosen = dims_of("flip", input.ndim, _sizes(dims))
    back, whole = slice(None, None, -1), slice(None)
    key = tuple([back if d in chosen else whole for d in range(input.ndim)])
    return slice_view(input, (*key, ...))
