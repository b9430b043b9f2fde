"""What each op does with a batch: the table of batching rules.

A rule is handed a `Call` and returns the op's result for the whole batch, the batch along
dimension 0. Most are the op itself with its attributes moved by one dimension, or with the batch
folded into a dimension that the op treats alike. An op without a rule runs in a loop over the
batch, with a warning, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.func import batch_loss, batch_norm
from pyautograd.func.batch_call import Call, folded, loop, unfolded
from pyautograd.func.batch_index import at_batch, index, index_add, part_ndim
from pyautograd.tensor import Tensor, wrap

K = tape.tensors


Rule = Callable[[Call], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def batch(call: Call) -> Any:
    """The result of the call for the whole batch."""
    found = RULES.get(call.op.name) or _KINDS.get(call.op.kind) or loop
    return found(call)


# ---- element-wise --------------------------------------------------------------------------------


def _elementwise(c: Call) -> Any:
    """Batches first, then dimensions of size 1 up to the example with the most dimensions."""
    ndim = max([len(getattr(x, "shape", ())) for x in c.given])
    out = c.run(*c.aligned(ndim), *c.attrs)
    if _promoted_by_a_scalar(c):
        dtype = c.op.infer(*c.given, *c.attrs)[1]
        return out if out.dtype == dtype else out.to(dtype)
    return out


def _promoted_by_a_scalar(c: Call) -> bool:
    """Whether an operand is 0-d but for its batch: it must not raise the others' dtype."""
    tensors = [x for x in c.given if isinstance(x, Tensor)]
    return len({x.dtype for x in tensors}) > 1 and any(
        b and not x.shape for x, b in zip(c.given, c.batched, strict=True)
    )


# ---- movement ------------------------------------------------------------------------------------


@rule("clone", "detach", "lower_half")
def _alike(c: Call) -> Any:
    return c.run(c.x[0], *c.attrs)


@rule("reshape")
def _reshape(c: Call) -> Any:
    return c.run(c.x[0], (c.size, *c.attrs[0]))


@rule("expand")
def _expand(c: Call) -> Any:
    (shape,) = c.attrs
    return c.run(c.full(0, len(shape)), (c.size, *shape))


@rule("permute")
def _permute(c: Call) -> Any:
    return c.run(c.x[0], (0, *[d + 1 for d in c.attrs[0]]))


@rule("cat")
def _cat(c: Call) -> Any:
    dim, sizes = c.attrs
    return c.run([c.full(i) for i in range(len(c.x))], dim + 1, sizes)


@rule("slice")
def _slice(c: Call) -> Any:
    return c.run(c.x[0], (slice(None), *c.attrs[0]))


@rule("slice_grad")
def _slice_grad(c: Call) -> Any:
    key, shape = c.attrs
    return c.run(c.x[0], (slice(None), *key), (c.size, *shape))


@rule("pad")
def _pad(c: Call) -> Any:
    before, after, value = c.attrs
    return c.run(c.x[0], (0, *before), (0, *after), value)


# ---- indexing ------------------------------------------------------------------------------------


@rule("index", "index_add")
def _index(c: Call) -> Any:
    if any(isinstance(k, np.ndarray) for k in c.attrs[0]):  # a 0-d mask
        return loop(c)
    return (index if c.op.name == "index" else index_add)(c)


@rule("gather", "scatter_add")
def _along(c: Call) -> Any:
    dim, *shape = c.attrs
    return c.run(c.full(0), c.full(1), dim + 1, *[(c.size, *s) for s in shape])


@rule("part", "erase")
def _part(c: Call) -> Any:
    return c.run(c.x[0], at_batch(c.attrs[0], c.given[0].shape, c.size))


@rule("put")
def _put(c: Call) -> Any:
    where, shape = c.attrs
    return c.run(c.x[0], at_batch(where, shape, c.size), (c.size, *shape))


@rule("assign")
def _assign(c: Call) -> Any:
    (where,) = c.attrs
    base = c.given[0].shape
    if any(isinstance(k, np.ndarray) for k in where):
        return loop(c)
    value = c.full(1, part_ndim(where, base))
    return c.run(c.full(0), value, at_batch(where, base, c.size))


@rule("scatter")
def _scatter(c: Call) -> Any:
    return c.run(*[c.full(i) for i in range(3)], c.attrs[0] + 1)


@rule("sort", "running_sum", "running_extreme")
def _in_order(c: Call) -> Any:
    dim, *rest = c.attrs
    return c.run(c.x[0], dim + 1, *rest)


@rule("embedding")
def _embedding(c: Call) -> Any:
    """Tables of the examples' own are parts of one."""
    if not c.batched[0]:
        return c.run(c.x[0], c.x[1], *c.attrs)
    count, features = c.given[0].shape
    table = K.reshape(c.x[0], (c.size * count, features))
    # No row of it is the padding of all: its gradient is dropped here.
    (padding,) = c.attrs
    if padding >= 0:
        kept = np.arange(c.size * count) % count != padding
        still = K.detach(table)
        table = K.where(wrap(kept[:, None]), table, still)
    return c.run(table, _own_rows(c, count), -1)


@rule("embedding_grad")
def _embedding_grad(c: Call) -> Any:
    count, padding = c.attrs
    g, index = c.full(0), c.full(1)
    if padding >= 0:
        g = K.where(K.reshape(K.ne(index, padding), (*index.shape, 1)), g, 0.0)
    out = c.run(g, _own_rows(c, count), c.size * count, -1)
    return K.reshape(out, (c.size, count, g.shape[-1]))


def _own_rows(c: Call, count: int) -> Any:
    """The row numbers of each example among those of all."""
    index = c.full(1)
    first = np.arange(c.size) * count
    return K.add(index, wrap(first.reshape(-1, *(1,) * (len(index.shape) - 1))))


# ---- reductions ----------------------------------------------------------------------------------


@rule("sum", "extreme", "sum_integers", "prod_integers", "all", "any")
def _over_dims(c: Call) -> Any:
    dims, *rest = c.attrs
    return c.run(c.x[0], tuple([d + 1 for d in dims]), *rest)


@rule("extreme_along")
def _extreme_along(c: Call) -> Any:
    dim, largest = c.attrs
    return c.run(c.x[0], dim + 1, largest)


@rule("arg_extreme")
def _arg_extreme(c: Call) -> Any:
    rows = K.reshape(c.x[0], (c.size, c.given[0].numel()))
    return K.extreme_along(rows, 1, *c.attrs)[1]


@rule("sum_to")
def _sum_to(c: Call) -> Any:
    (shape,) = c.attrs
    ones = (1,) * (len(c.given[0].shape) - len(shape))
    return K.reshape(c.run(c.x[0], (c.size, *ones, *shape)), (c.size, *shape))


# ---- along one dimension, or per channel ---------------------------------------------------------


@rule("softmax", "log_softmax", "softmax_grad", "log_softmax_grad")
def _softmax(c: Call) -> Any:
    (dim,) = c.attrs
    return c.run(*[c.full(i) for i in range(len(c.x))], dim + 1)


@rule("normalize", "normalize_grad")
def _normalize(c: Call) -> Any:
    return getattr(batch_norm, c.op.name)(c)


# ---- products ------------------------------------------------------------------------------------


@rule("matmul")
def _matmul(c: Call) -> Any:
    (m, k), n = c.given[0].shape[-2:], c.given[1].shape[-1]
    if c.batched == [True, False] and len(c.given[0].shape) == len(c.given[1].shape) == 2:
        out = c.run(K.reshape(c.x[0], (c.size * m, k)), c.x[1])  # one matrix for all examples
        return K.reshape(out, (c.size, m, n))
    ndim = max(len(x.shape) for x in c.given)
    return c.run(*c.aligned(ndim))


@rule("linear")
def _linear(c: Call) -> Any:
    """x (m, k), w (n, k), bias (n,)."""
    (m, k), n = c.given[0].shape, c.given[1].shape[0]
    if c.batched[0] and not c.batched[1] and not c.batched[2]:
        return K.reshape(c.run(K.reshape(c.x[0], (c.size * m, k)), *c.x[1:]), (c.size, m, n))
    x, w, b = (c.full(i) for i in range(3))
    out = K.matmul(x, K.permute(w, (0, 2, 1)))
    return out if b is None else K.add(out, K.reshape(b, (c.size, 1, n)))


@rule("conv2d")
def _conv2d(c: Call) -> Any:
    """x (N, C, H, W), w (O, C/groups, kh, kw): own weights are groups of their own."""
    *geometry, groups = c.attrs
    n, o = c.given[0].shape[0], c.given[1].shape[0]
    if not c.batched[1] and not c.batched[2]:
        return unfolded(c.run(folded(c.x[0], 0), *c.x[1:], *c.attrs), 0, c.size, n)
    x, w, b = (c.full(i) for i in range(3))
    bias = None if b is None else folded(b, 0)
    out = c.run(folded(x, 1), folded(w, 0), bias, *geometry, groups * c.size)
    return unfolded(out, 1, c.size, o)


@rule("conv2d_input_grad")
def _conv2d_input_grad(c: Call) -> Any:
    """g (N, O, H', W'), w (O, C/groups, kh, kw) -> (N, C, H, W)."""
    *geometry, groups = c.attrs
    n, channels = c.given[0].shape[0], c.given[1].shape[1] * groups
    if not c.batched[1]:
        return unfolded(c.run(folded(c.x[0], 0), c.x[1], *c.attrs), 0, c.size, n)
    g, w = c.full(0), c.full(1)
    out = c.run(folded(g, 1), folded(w, 0), *geometry, groups * c.size)
    return unfolded(out, 1, c.size, channels)


@rule("conv2d_weight_grad")
def _conv2d_weight_grad(c: Call) -> Any:
    """g (N, O, H', W'), x (N, C, H, W) -> (O, C/groups, kh, kw)."""
    *geometry, groups = c.attrs
    g, x = folded(c.full(0), 1), folded(c.full(1), 1)
    return unfolded(c.run(g, x, *geometry, groups * c.size), 0, c.size, c.given[0].shape[1])


@rule("cross_entropy", "cross_entropy_grad")
def _cross_entropy(c: Call) -> Any:
    if c.batched[2 if c.op.name == "cross_entropy" else 3]:  # weights of its own for each example
        return loop(c)
    found = getattr(batch_loss, c.op.name)
    return found(c, folded, unfolded)


# ---- windows -------------------------------------------------------------------------------------


def _images(c: Call) -> Any:
    """All operands are (N, ...), as is the result: the batch goes into N."""
    n = c.given[0].shape[0]
    result = c.run(*[folded(c.full(i), 0) for i in range(len(c.x))], *c.attrs)
    if type(result) is tuple:
        return tuple([unfolded(y, 0, c.size, n) for y in result])
    return unfolded(result, 0, c.size, n)


def _matrices(c: Call) -> Any:
    """Any number of dimensions may come before a matrix's two."""
    return c.run(*[c.full(i) for i in range(len(c.x))], *c.attrs)


_KINDS: dict[str, Rule] = {
    "elementwise": _elementwise, "factorisation": _matrices, "window": _images
}  # fmt: skip
