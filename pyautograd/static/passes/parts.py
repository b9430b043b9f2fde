"""Parts: a sum of arrays that are zero but for a part each, and together cover all, is one array.

So come the gradients of what was split, as queries, keys and values are from one product.
"""

from __future__ import annotations

import math
from typing import Any

from pyautograd.op import OPS
from pyautograd.static.graph import Call, Graph, Value

MOST_PARTS = 64


def join_parts(graph: Graph) -> str:
    """Makes `cat` of sums of `slice_grad`."""
    consumers = graph.consumers()
    for x in graph.results:
        consumers.setdefault(x, []).append(Call("result", None, [x]))
    instead: dict[int, list[Call]] = {}
    for call in reversed(graph.calls):  # the whole sum before its terms
        if call.name != "add" or id(call) in instead:
            continue
        gone: list[Call] = []
        terms = _terms(call, consumers, gone)
        joined = None if terms is None else _joined(call, terms)
        if joined is not None:
            instead.update({id(c): [] for c in gone})
            instead[id(call)] = joined
    kept = [c for call in graph.calls for c in instead.get(id(call), [call])]
    count = sum(bool(calls) for calls in instead.values())
    graph.calls = kept
    return f"parts: {count} sums joined"


def _terms(call: Call, consumers: dict[Value, list[Call]], gone: list[Call]) -> list[Call] | None:
    """The `slice_grad` calls of a tree of additions, read by nothing else; None for other trees."""
    terms: list[Call] = []
    left = [call]
    while left and len(gone) < 2 * MOST_PARTS:
        c = left.pop()
        gone.append(c)
        if c.name == "slice_grad":
            terms.append(c)
            continue
        for x in c.operands:
            if not isinstance(x, Value) or x.call is None or len(consumers[x]) != 1:
                return None
            if x.shape != call.outputs[0].shape or x.dtype != call.outputs[0].dtype:
                return None
            if x.call.name not in ("add", "slice_grad"):
                return None
            left.append(x.call)
    return None if left else terms


def _joined(call: Call, terms: list[Call]) -> list[Call] | None:
    """The calls that put the terms side by side, along the one dimension in which they differ."""
    out = call.outputs[0]
    ranges = [_ranges(term.attrs[0], out.shape) for term in terms]
    if any(r is None for r in ranges):
        return None
    dims = {d for r in ranges for d, (b, e) in enumerate(r or ()) if (b, e) != (0, out.shape[d])}
    if len(dims) != 1:
        return None
    (dim,) = dims
    order = sorted(range(len(terms)), key=lambda i: (ranges[i] or ())[dim])
    edges = [(ranges[i] or ())[dim] for i in order]
    ends = [0, *[end for _, end in edges]]
    if [begin for begin, _ in edges] != ends[:-1] or ends[-1] != out.shape[dim]:
        return None
    return _concatenation(call, [terms[i].operands[0] for i in order], dim)


def _concatenation(call: Call, parts: list[Value], dim: int) -> list[Call]:
    out = call.outputs[0]
    whole = [_before_reshape(x, dim) for x in parts]
    if all(x is not None and x.shape[dim + 1 :] == whole[0].shape[dim + 1 :] for x in whole):  # type: ignore[union-attr]
        parts = [x for x in whole if x is not None]  # put in place without a copy in between
    sizes = tuple([x.shape[dim] for x in parts])
    shape = (*out.shape[:dim], sum(sizes), *parts[0].shape[dim + 1 :])
    calls = [Call("cat", OPS["cat"], list(parts), (dim, sizes))]
    calls[0].outputs = [Value(shape, out.dtype, calls[0])]
    if shape != out.shape:
        calls.append(Call("reshape", OPS["reshape"], list(calls[0].outputs), (out.shape,)))
        calls[1].outputs = [Value(out.shape, out.dtype, calls[1])]
    calls.append(Call("add", OPS["add"], [*calls[-1].outputs, 0.0]))  # turns -0 into 0, as the sum
    calls[-1].outputs, out.call = [out], calls[-1]
    for c in calls:
        c.where, c.backward = call.where, call.backward
    return calls


def _before_reshape(x: Value, dim: int) -> Value | None:
    """What x is a reshape of, if that only made one dimension, the last, of those from `dim` on."""
    if x.call is None or x.call.name != "reshape" or dim != x.ndim - 1:
        return None
    before: Any = x.call.operands[0]
    same = before.ndim > dim and before.shape[:dim] == x.shape[:dim]
    return before if same and math.prod(before.shape[dim:]) == x.shape[dim] else None


def _ranges(key: Any, shape: tuple[int, ...]) -> list[tuple[int, int]] | None:
    """Begin and end along each dimension of a key of plain slices."""
    key = tuple(k for k in key if k is not ...) if key and key[-1] is ... else key
    if len(key) > len(shape) or not all(isinstance(k, slice) for k in key):
        return None
    found = []
    for k, n in zip([*key, *[slice(None)] * (len(shape) - len(key))], shape, strict=True):
        begin, end, step = k.indices(n)
        if step != 1 or begin >= end:
            return None
        found.append((begin, end))
    return found
