"""The graph of a compiled function: what its plan computes, forward and backward."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd.static import graph as static
from pyautograd.static.feed import GraphFunction
from pyautograd.static.function import Compiled, compiled_of
from pyautograd.static.passes import PASSES
from pyautograd.static.program import Variant
from pyautograd.viz.graph import Edge, Graph, Vertex
from pyautograd.viz.names import Names, Path

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"


def of_compiled(target: Any) -> Graph | None:
    """The graph of a compiled function, a plan of it or a static graph; None for what is neither.

    Raises ValueError for a compiled function that was not called yet: it has no graph.
    """
    names: list[str] = []
    target = compiled_of(target)
    if isinstance(target, static.Graph):
        return _Reader([target], names, {}).graph()
    if isinstance(target, (Compiled, GraphFunction)):
        if target._latest is None:
            raise ValueError("draw: the compiled function has no graph yet: call it once")
        names = _arguments(target)
        target = target._latest
    if not isinstance(target, Variant):
        return None
    graphs = target.source()
    for graph in graphs:
        for improve in PASSES:
            improve(graph)
    left = {id(grad._array): tensor for tensor, grad, _ in target.program.left if grad is not None}
    return _Reader(graphs, names, left).graph()


def _arguments(compiled: Any) -> list[str]:
    """The names of the function's arguments; none where they cannot be told."""
    try:
        function = getattr(compiled.function, "forward", compiled.function)  # of a module
        return list(inspect.signature(function).parameters)
    except (AttributeError, TypeError, ValueError):
        return []


class _Reader:
    """One reading of the graph of a function, and that of its gradients.

    left: the tensors whose gradients the function leaves, by the ids of the gradients' arrays.
    """

    def __init__(
        self, graphs: Sequence[static.Graph], arguments: list[str], left: dict[int, Any]
    ) -> None:
        self.graphs = graphs
        inputs = graphs[0].inputs
        self.arguments = arguments if len(arguments) == len(inputs) else []
        calls = [part for g in graphs for call in g.calls for part in call.parts or [call]]
        self.names = Names({}, dict.fromkeys(m for call in calls for m in call.modules[:1]), ())
        for array, tensor in left.items():
            path, name = self.names.members.get(id(tensor._array), ((), "input"))
            self.names.members.setdefault(array, (path, f"{name}.grad"))
        self.classes: dict[Path, str] = {}
        self.in_phases = any(map(_phase_of, calls)) or len(graphs) > 1
        self.vertices: dict[int, Vertex] = {}
        self.edges: list[Edge] = []
        self.keys: dict[Any, int] = {}  # by Value, and by the id of an array
        self.fused = 0

    def graph(self) -> Graph:
        """The graph of both."""
        outputs: dict[int, None] = {}
        for number, graph in enumerate(self.graphs):
            for call in graph.calls:
                self._call(call, number)
            results = graph.results
            if number == 0 and len(self.graphs) > 1:
                handed = {x.source.name for x in self.graphs[1].inputs}
                results = [y for i, y in enumerate(results) if f"saved{i}" not in handed]
            outputs.update(dict.fromkeys(self._operand(y, number) for y in results))
        for path, kind in self.names.groups().items():
            for phase in (FORWARD, BACKWARD):
                self.classes.setdefault((phase, *path) if self.in_phases else path, kind)
        return Graph(self.vertices, tuple(self.edges), tuple(outputs), self.classes)

    def _add(self, identity: Any, **fields: Any) -> int:
        key = self.keys[identity] = len(self.vertices)
        self.vertices[key] = Vertex(key, **fields)
        return key

    # ---- calls -----------------------------------------------------------------------------------

    def _call(self, call: static.Call, number: int) -> None:
        parts = call.parts or [call]
        paths = [self._path(part, number) for part in parts]
        if len(parts) > 1:
            self.fused += 1
            around = paths[0]
            while any(path[: len(around)] != around for path in paths):
                around = around[:-1]
            group = (*around, f"fused {self.fused}")
            self.classes[group] = "one pass"
            paths = [group] * len(parts)
        for part, path in zip(parts, paths, strict=True):
            if part.name == "write":
                self._write(part, number)
            else:
                self._part(part, path, number)

    def _write(self, call: static.Call, number: int) -> None:
        """A change of memory, from which that is read later."""
        target, x = call.operands
        source = self._operand(x, number)
        path, name = self.names.members.get(id(target.source), ((), "memory"))
        label = f"write {'.'.join((*path, name))}"
        if self.in_phases:
            path = (*(self.vertices[source].path[:1] or (FORWARD,)), *path)
        key = self._add(call, kind="op", label=label, shape=tuple(target.shape),
                        dtype=target.dtype, path=path, origin=call.where)  # fmt: skip
        self.keys[id(target.source)] = self.keys[target] = key
        self.edges.append(Edge(source, key, 0, self.vertices[source].shape))

    def _path(self, call: static.Call, number: int) -> Path:
        """The phase and the modules around a call."""
        modules = self.names.paths.get(call.modules[-1], ()) if call.modules else ()
        if not self.in_phases:
            return modules
        return (BACKWARD if number else _phase_of(call) or FORWARD, *modules)

    def _part(self, call: static.Call, path: Path, number: int) -> None:
        sources = [None if x is None else self._operand(x, number, path) for x in call.operands]
        label, out = call.name, call.outputs[0] if call.outputs else None
        if call.name == "optimizer":
            label = f"{type(call.attrs[0]).__name__}.step"
        layout = {} if out is None else {"shape": tuple(out.shape), "dtype": out.dtype}
        attrs = call.attrs if call.op is not None else ()
        key = self._add(call, kind="op", label=label, op=call.op, attrs=attrs, path=path,
                        origin=call.where, **layout)  # fmt: skip
        for y in call.outputs:
            self.keys[y] = key
        for slot, source in enumerate(sources):
            if source is not None:
                self.edges.append(Edge(source, key, slot, self.vertices[source].shape))

    # ---- operands --------------------------------------------------------------------------------

    def _operand(self, x: Any, number: int, path: Path = ()) -> int:
        """The vertex of an operand or a result, made where it is the first time."""
        if not isinstance(x, static.Value):
            label = f"{x:.6g}" if isinstance(x, (int, float)) else str(x)
            return self._add(object(), kind="constant", label=label, shape=(), path=path)
        if x in self.keys:
            return self.keys[x]
        layout = {"shape": tuple(x.shape), "dtype": x.dtype}
        source = x.source
        if isinstance(source, static.Input):
            return self._input(x, source, number, layout)
        if isinstance(source, np.ndarray):
            return self._array(x, source, layout)
        label = "random numbers" if isinstance(source, static.Draw) else "value"
        return self._add(x, kind="constant", label=label, path=path, **layout)

    def _input(self, x: Any, source: static.Input, number: int, layout: dict[str, Any]) -> int:
        label = source.name
        if number and label.startswith("saved"):  # a result of the function's own graph
            key = self.keys[x] = self._operand(self.graphs[0].results[int(label[5:])], 0)
            return key
        if not number and self.arguments:
            label = self.arguments[source.number]
        return self._add(x, kind="input", label=label, **layout)

    def _array(self, x: Any, array: Any, layout: dict[str, Any]) -> int:
        if id(array) in self.keys:  # read anew, after a write
            self.keys[x] = self.keys[id(array)]
            return self.keys[x]
        path, name = self.names.members.get(id(array), ((), ""))
        kind = "parameter" if name else "constant"
        label = ".".join((*path, name)) if name else "constant"
        if not name and not array.ndim:
            label = f"{array.item():.6g}"
        inside = (FORWARD, *path) if name and self.in_phases else path
        key = self._add(id(array), kind=kind, label=label, path=inside, value=array, **layout)
        self.keys[x] = key
        return key


def _phase_of(call: static.Call) -> str:
    """The phase of a call that is not of the forward."""
    if call.name == "optimizer":
        return UPDATE
    return BACKWARD if call.backward else ""
