"""The model of a picture: vertices, edges, and what is known of each.

`Graph.of` reads it from the tape behind a tensor, or from a function made by `ag.compile`. What is
not known (an operand that no op has kept, a value that backward has freed) is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pyautograd.graph import Node
from pyautograd.origin import users_frame
from pyautograd.tensor import Tensor

Kind = Literal["op", "input", "parameter", "constant"]


@dataclass(frozen=True)
class Summary:
    """Of an array: the range and mean of its finite elements, and how many are not finite.

    Of a single element, low, high and mean are that, whatever it is.
    """

    low: float
    high: float
    mean: float
    nan: int
    infinite: int
    size: int

    @property
    def is_bad(self) -> bool:
        """Whether there is a NaN or an infinity."""
        return self.nan + self.infinite > 0

    @classmethod
    def of(cls, array: Any) -> Summary:
        """Reads every element; an array without finite elements has a range of NaN."""
        numbers = np.asarray(array)
        finite, nan = numbers, 0
        if numbers.dtype.kind == "f":
            keep = np.isfinite(numbers)
            if not keep.all():
                finite, nan = numbers[keep], int(np.isnan(numbers).sum())
        infinite = numbers.size - finite.size - nan
        if numbers.size == 1:
            finite = numbers
        if not finite.size:
            return cls(np.nan, np.nan, np.nan, nan, infinite, numbers.size)
        mean = float(finite.mean(dtype=np.float64))
        return cls(float(finite.min()), float(finite.max()), mean, nan, infinite, numbers.size)


@dataclass(frozen=True, eq=False)
class Vertex:
    """A value, and the call of an op that made it; or a leaf.

    kind: "op"; or of a leaf "parameter" (of a module), "input" (any other tensor with a gradient,
        or data that a variable names) or "constant".
    label: the name of the op, of the parameter ("layer1.0.conv1.weight") or of the variable; the
        number itself of a constant.
    op: the op's record; None for a leaf, and for a step of a plan that is no op.
    attrs: the arguments of the call that are no arrays.
    shape, dtype, value: of the result; None where they are not known.
    path: the modules around it, outermost first: ("layer1", "0", "conv1").
    origin: the line that made the call, as `file:line: source`; None where nobody noted it.
    node: its place on the tape; None for what has none.
    """

    key: int
    kind: Kind
    label: str
    op: Any = None
    attrs: tuple[Any, ...] = ()
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    value: Any = None
    path: tuple[str, ...] = ()
    origin: str | None = None
    node: Node | None = None

    @cached_property
    def summary(self) -> Summary | None:
        """Of the value, where it is known."""
        return None if self.value is None else Summary.of(self.value)


@dataclass(frozen=True)
class Edge:
    """Vertex `source` is operand `slot` of vertex `target`."""

    source: int
    target: int
    slot: int
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """Vertices by key, operands before the calls that read them, and the edges between them.

    outputs: the keys of the values that the graph was asked for.
    groups: the class of each group of vertices, by its path: {("layer1", "0"): "BasicBlock"}.
    """

    vertices: dict[int, Vertex]
    edges: tuple[Edge, ...]
    outputs: tuple[int, ...] = ()
    groups: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    @staticmethod
    def of(target: Any, names: Mapping[str, Any] | None = None) -> Graph:
        """The graph behind a tensor or several, or of a compiled function.

        names: tensors and modules by the names to show; without it, the caller's variables.

        >>> import pyautograd as ag
        >>> from pyautograd.viz.graph import Graph
        >>> a = ag.tensor(2.0, requires_grad=True)
        >>> [(v.kind, v.label) for v in Graph.of(3.0 * a).vertices.values()]
        [('input', 'a'), ('constant', '3'), ('op', 'mul')]
        """
        if names is None:
            frame = users_frame()
            names = {**frame.f_globals, **frame.f_locals}
        from pyautograd.viz.program import of_compiled
        from pyautograd.viz.tape_graph import of_tensors

        targets = list(target) if isinstance(target, Sequence) else [target]
        if targets and all(isinstance(t, Tensor) for t in targets):
            return of_tensors(targets, names)
        what = ", ".join(dict.fromkeys(type(t).__name__ for t in targets)) or "an empty sequence"
        if len(targets) == 1 and (graph := of_compiled(targets[0])) is not None:
            return graph
        raise TypeError(f"draw: expected a tensor, several, or a compiled function, got {what}")

    @cached_property
    def inputs_of(self) -> dict[int, list[Edge]]:
        """The edges into each vertex, by slot."""
        return self._edges_by("target")

    @cached_property
    def outputs_of(self) -> dict[int, list[Edge]]:
        """The edges out of each vertex."""
        return self._edges_by("source")

    def _edges_by(self, end: str) -> dict[int, list[Edge]]:
        found: dict[int, list[Edge]] = {key: [] for key in self.vertices}
        for edge in self.edges:
            found[getattr(edge, end)].append(edge)
        return found
