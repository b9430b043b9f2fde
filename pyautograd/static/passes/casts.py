"""Casts: element-wise ops of several dtypes become ops of one, whose operands are cast before."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import OPS
from pyautograd.static.graph import Call, Graph, Value
from pyautograd.static.passes.fuse import opcode_of


def cast_operands(graph: Graph) -> str:
    """Casts what an op would convert on the way, so that programs take it."""
    kept: list[Call] = []
    count = 0
    for call in graph.calls:
        dtype = _wanted(call)
        first = int(call.name == "where")  # the condition is a bool
        for k, x in enumerate(call.operands[first:], first):
            if dtype is not None and isinstance(x, Value) and x.dtype != dtype:
                kept.append(_cast(x, dtype, call))
                call.operands[k] = kept[-1].outputs[0]
                count += 1
        kept.append(call)
    graph.calls = kept
    return f"casts: {count} operands cast"


def _wanted(call: Call) -> Any:
    """The dtype in which the op computes; None for what is no op of one dtype, but for that."""
    domain = _C.domains.get(opcode_of(call))
    if domain is None or domain == "cast":
        return None
    if domain != "test":
        return call.outputs[0].dtype
    dtypes = [x.dtype for x in call.values()]
    if not dtypes:
        return None
    dtype = np.result_type(*dtypes)
    return np.dtype(np.float64) if dtype.kind != "f" and _fraction(call) else dtype


def _fraction(call: Call) -> bool:
    return any(isinstance(x, float) for x in call.operands)


def _cast(x: Value, dtype: Any, reader: Call) -> Call:
    name = "cast" if dtype.kind == "f" else "cast_discrete"
    call = Call(name, OPS[name], [x], (dtype,))
    call.where, call.backward, call.modules = reader.where, reader.backward, reader.modules
    call.outputs = [Value(x.shape, dtype, call)]
    return call
