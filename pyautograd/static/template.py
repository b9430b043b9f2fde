"""A graph with unknown sizes made concrete: the same calls, for given sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.graph import GraphError
from pyautograd.static.graph import Draw, Graph, Value
from pyautograd.static.sizes import Values, evaluate


def concrete(graph: Graph, values: Values) -> Graph:
    """The graph for these sizes.

    GraphError where an op's shape rule gives another shape than the sizes do: then the graph that
    the program would make for them is another one.
    """
    found = Graph()
    made: dict[Value, Value] = {}

    def there(x: Any) -> Any:
        if not isinstance(x, Value):
            return evaluate(x, values)
        if x not in made:
            source = x.source
            if isinstance(source, Draw):
                source = Draw(source.make, evaluate(source.shape, values))
            made[x] = Value(evaluate(x.shape, values), x.dtype, source=source)
        return made[x]

    found.inputs = [there(x) for x in graph.inputs]
    for call in graph.calls:
        again = call.copy([there(x) for x in call.operands], evaluate_attrs(call, values))
        for y in call.outputs:
            made[y] = Value(evaluate(y.shape, values), y.dtype, again)
            again.outputs.append(made[y])
        _check(again)
        found.calls.append(again)
    found.results = [there(y) for y in graph.results]
    return found


def evaluate_attrs(call: Any, values: Values) -> tuple[Any, ...]:
    """The attributes of an op for these sizes; other calls have none that depend on them."""
    return evaluate(call.attrs, values) if call.op is not None else call.attrs


def _check(call: Any) -> None:
    if call.op is None:
        return
    args = [call.operands] if call.op.inputs < 0 else call.operands
    shape, dtype = call.op.infer(*args, *call.attrs)
    out = call.outputs[0]
    if tuple(shape) != out.shape or np.dtype(dtype) != out.dtype:
        raise GraphError(
            f"{call.name}: a result of shape {tuple(shape)} where {out.shape} was expected, "
            f"at {call.where}"
        )
