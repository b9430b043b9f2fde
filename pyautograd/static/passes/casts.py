"""Casts: what eager kernels convert before they compute is converted by calls of their own."""

from __future__ import annotations

from typing import Any

from pyautograd import _C
from pyautograd.op import OPS
from pyautograd.static.graph import Call, Graph, Value


def show_casts(graph: Graph) -> str:
    """Gives element-wise calls operands of the dtype of their result, where that is a float's.

    So programs can take them, and what several calls read is converted once.
    """
    made: dict[tuple[Value, Any], Value] = {}
    kept: list[Call] = []
    for call in graph.calls:
        if call.op is not None and call.name in _C.opcodes and call.outputs[0].dtype.kind == "f":
            dtype = call.outputs[0].dtype
            for i, x in enumerate(call.operands):
                if not isinstance(x, Value) or x.dtype == dtype:
                    continue
                if (x, dtype) not in made:
                    kept.append(_cast(call, x, dtype))
                    made[x, dtype] = kept[-1].outputs[0]
                call.operands[i] = made[x, dtype]
        kept.append(call)
    graph.calls = kept
    return f"casts: {len(made)} operands converted"


def _cast(call: Call, x: Value, dtype: Any) -> Call:
    cast = Call("cast", OPS["cast"], [x], (dtype,))
    cast.where, cast.backward = call.where, call.backward
    cast.outputs = [Value(x.shape, dtype, cast)]
    return cast
