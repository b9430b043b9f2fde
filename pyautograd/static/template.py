"""Copies of graphs: made concrete for given sizes, or cut down to what some results need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pyautograd.graph import GraphError
from pyautograd.static.graph import Call, Draw, Graph, Input, Value
from pyautograd.static.symbolic import Values, evaluate


class _Copy:
    """Calls and values copied; with `sizes` given, for these."""

    def __init__(self, sizes: Values | None = None) -> None:
        self.graph = Graph()
        self._sizes = sizes
        self._made: dict[Value, Value] = {}

    def _concrete(self, x: Any) -> Any:
        return x if self._sizes is None else evaluate(x, self._sizes)

    def __call__(self, x: Any) -> Any:
        """The operand in the copy."""
        if not isinstance(x, Value):
            return self._concrete(x)
        if x not in self._made:
            source = x.source
            if isinstance(source, Draw):
                source = Draw(source.make, self._concrete(source.shape))
            self._made[x] = Value(self._concrete(x.shape), x.dtype, source=source)
        return self._made[x]

    def input(self, x: Value, number: int) -> None:
        """Makes x the input of that number."""
        source = Input(number, x.source.name)
        self._made[x] = Value(self._concrete(x.shape), x.dtype, source=source)
        self.graph.inputs.append(self._made[x])

    def call(self, call: Call) -> None:
        attrs = self._concrete(call.attrs) if call.op is not None else call.attrs
        again = call.copy([self(x) for x in call.operands], attrs)
        for y in call.outputs:
            made = self._made[y] = Value(self._concrete(y.shape), y.dtype, again)
            again.outputs.append(made)
        self.graph.calls.append(again)


def concrete(graph: Graph, sizes: Values | None) -> Graph:
    """A copy of the graph for these sizes, if there are any.

    GraphError where an op's shape rule gives another shape than the sizes do: then the graph that
    the program would make for them is another one.
    """
    copy = _Copy(sizes)
    for i, x in enumerate(graph.inputs):
        copy.input(x, i)
    for call in graph.calls:
        copy.call(call)
        if sizes:
            _check(copy.graph.calls[-1])
    copy.graph.results = list(map(copy, graph.results))
    copy.graph.watched = graph.watched
    copy.graph.draws = list(map(copy, graph.draws))
    return copy.graph


def _check(call: Call) -> None:
    if call.op is None:
        return
    shape, dtype = call.op.infer(*call.arguments())
    out = call.outputs[0]
    if tuple(shape) != out.shape or np.dtype(dtype) != out.dtype:
        raise GraphError(
            f"{call.name}: a result of shape {tuple(shape)} where {out.shape} was expected, "
            f"at {call.where}"
        )


def part_of(
    graph: Graph, inputs: list[Value], results: list[Value], causes: dict[Call, list[Value]]
) -> Graph:
    """A graph of the calls that the results need, and of all effects that follow from the inputs.

    causes: of an effect, the values that were handed to what brought it about: one that reads no
        input (a count of batches) follows from these.

    GraphError where the results need an input that is not among these.
    """
    needs: dict[Value, frozenset[Value]] = {}  # the inputs that a value depends on

    def all_needs(values: Iterable[Value]) -> frozenset[Value]:
        return frozenset().union(
            *[
                needs.get(x, frozenset([x]) if isinstance(x.source, Input) else frozenset())
                for x in values
            ]
        )

    def takes_part(call: Call) -> bool:
        if not call.has_effect:
            return not live.isdisjoint(call.outputs)
        found = all_needs(call.values()) or all_needs(causes.get(call, ()))
        return bool(found) and found <= given

    given = set(inputs)
    live = set(results)
    for call in graph.calls:
        for y in call.outputs:
            needs[y] = all_needs(call.values())
    kept = []
    for call in reversed(graph.calls):
        if takes_part(call):
            kept.append(call)
            live.update(call.values())
    missing = [x for x in live if isinstance(x.source, Input) and x not in given]
    if missing:
        names = ", ".join(sorted({x.source.name for x in missing}))
        raise GraphError(f"compile: the outputs depend on {names}, which is not among the inputs")
    copy = _Copy()
    for i, x in enumerate(inputs):
        copy.input(x, i)
    for call in reversed(kept):
        copy.call(call)
    copy.graph.results = list(map(copy, results))
    copy.graph.watched = graph.watched
    copy.graph.draws = [copy(x) for x in graph.draws if x in live]
    return copy.graph
