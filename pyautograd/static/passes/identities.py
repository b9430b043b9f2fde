"""Algebraic identities that are exact in floating point, and ops made of simpler ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.op import OPS
from pyautograd.static.graph import Call, Graph, Value, viewed


def simplify(graph: Graph) -> str:
    """x * 1, x / 1, x^1, -(-x), casts and reshapes of nothing; sum_to as sum and reshape."""
    instead: dict[Value, Value] = {}
    kept: list[Call] = []
    for call in graph.calls:
        call.operands = [instead.get(x, x) if isinstance(x, Value) else x for x in call.operands]
        same = _same(call)
        if same is not None:
            instead[call.outputs[0]] = same
        elif call.name == "sum_to":
            kept += _sum_to(call)
        else:
            kept.append(call)
    graph.calls = kept
    graph.results = [instead.get(y, y) for y in graph.results]
    return f"identities: {len(instead)} calls dropped"


def _is_one(x: Any) -> bool:
    if isinstance(x, Value):
        array = x.source
        return (
            isinstance(array, np.ndarray)
            and not array.flags.writeable
            and bool(array.ndim == 0 and array == 1)
        )
    return isinstance(x, (int, float)) and x == 1


def _same(call: Call) -> Value | None:
    """The operand that the call returns unchanged, if any."""
    if call.op is None or not call.operands:
        return None
    x, out = call.operands[0], call.outputs[0]
    found: Any = None
    if call.name == "mul":
        y = call.operands[1]
        found = x if _is_one(y) else y if _is_one(x) else None
    elif call.name in ("div", "pow") and _is_one(call.operands[1]):
        found = x
    elif call.name == "neg" and isinstance(x, Value) and x.call is not None:
        found = x.call.operands[0] if x.call.name == "neg" else None
    elif call.name in ("reshape", "expand", "cast", "sum_to", "clone", "detach"):
        found = x
    if isinstance(found, Value) and found.shape == out.shape and found.dtype == out.dtype:
        return found if call.name != "clone" or not _matters(found) else None
    return None


def _matters(x: Value) -> bool:
    """Whether a copy is other than x: memory may be written, and a part keeps all of its array."""
    whole = viewed(x)
    return whole.call is None or whole.nbytes > x.nbytes


def _sum_to(call: Call) -> list[Call]:
    x, (shape,) = call.operands[0], call.attrs
    lead = x.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(
        [lead + d for d, n in enumerate(shape) if n == 1 and x.shape[lead + d] != 1]
    )
    kept = tuple([1 if d in dims else n for d, n in enumerate(x.shape)])
    total = Call("sum", OPS["sum"], [x], (dims, True, 1.0))
    total.where = call.where
    total.outputs = [Value(kept, x.dtype, total)]
    if kept == shape:
        total.outputs = call.outputs
        call.outputs[0].call = total
        return [total]
    back = Call("reshape", OPS["reshape"], [total.outputs[0]], (shape,))
    back.where, back.outputs = call.where, call.outputs
    call.outputs[0].call = back
    return [total, back]
