"""Functions made of placeholders: they are fed arrays, and run a plan for the sizes of these."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.graph import GraphError
from pyautograd.modes import state
from pyautograd.op import Stand
from pyautograd.static.graph import Graph
from pyautograd.static.program import Place, Planned, Variant
from pyautograd.static.symbolic import Values, told
from pyautograd.static.trace import Leaf
from pyautograd.static.unify import OpenSizes
from pyautograd.tensor import Tensor, as_tensor

LARGEST_CACHE = 32  # plans of one function, each for other sizes


class GraphFunction(Planned):
    """What `static.compile` and `static.load` return.

    Called with a feed: a dict by the names of the placeholders, or values in their order or by
    keyword; arrays, Tensors, numbers or lists. Gives new Tensors, off the tape. Each choice of the
    sizes that were left open gets a plan; the last 32 are kept.

    graph: the graph as it was built; it has `print()` and `save(path)`.
    """

    def __init__(
        self, graph: Graph, sizes: OpenSizes, leaves: list[Leaf], read: Iterable[Tensor] = ()
    ) -> None:
        """read: parameters and buffers whose memory the graph may read."""
        self.graph = graph
        self._memory = [(t, t._array) for t in read]
        self._layouts = state.layouts
        self._sizes = sizes
        self._names = [x.source.name for x in graph.inputs]
        self._variants: dict[tuple[int, ...], Variant] = {}
        self._last: Variant | None = None  # that ran last
        self._latest: Variant | None = None  # that was made last
        self._lock = threading.Lock()
        tree = graph.tree
        self._result, self._single = tree, isinstance(tree, Place)
        self._outputs = [Place(i) for i in range(len(graph.results))]
        self._leave(leaves, graph)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._layouts != state.layouts:
            self._check_memory()
        last = self._last
        if last is not None and not kwargs:  # tensors of the shapes fed last
            arrays = _C.matching_arrays(args, last.like, Tensor)
            if arrays is not None:
                return last.run(arrays)
        feed = args[0] if len(args) == 1 and isinstance(args[0], dict) else dict(self._named(args))
        for name in feed.keys() & kwargs.keys():
            raise TypeError(f"feed: {name} was given twice")
        return self._run({**feed, **kwargs})

    def _check_memory(self) -> None:
        layouts = state.layouts
        for t, array in self._memory:
            if t._array is not array:
                raise GraphError(
                    f"feed: a tensor of {array.dtype} and shape {array.shape} that the graph reads "
                    "has got other memory since it was built (by data = ..., or a cast); build the "
                    "graph again, or copy_() the values into the tensor"
                )
        self._layouts = layouts

    def _named(self, args: tuple[Any, ...]) -> Any:
        if len(args) > len(self._names):
            raise TypeError(f"feed: got {len(args)} values, expected {self._expected()}")
        return zip(self._names, args, strict=False)

    def _expected(self) -> str:
        return (
            ", ".join(f"{x.source.name} {x.dtype} {x.shape}" for x in self.graph.inputs) or "none"
        )

    def _run(self, feed: dict[str, Any]) -> Any:
        for name in feed:
            if not isinstance(name, str):
                raise TypeError(f"feed: expected names of placeholders, got {type(name).__name__}")
        missing = [name for name in self._names if name not in feed]
        extra = [name for name in feed if name not in self._names]
        for what, names in (("no value for", missing), ("no placeholder is called", extra)):
            if names:
                raise TypeError(
                    f"feed: {what} {', '.join(map(repr, names))}; expected {self._expected()}"
                )
        arrays = [self._array(x, feed[x.source.name]) for x in self.graph.inputs]
        variant = self._last = self._variant(self._read(arrays))
        return variant.run(arrays)

    def _array(self, x: Any, value: Any) -> Any:
        """A value of the feed as a plan takes it."""
        name = x.source.name
        if isinstance(value, Stand):
            raise TypeError(f"feed: {name} is a symbol of a graph, expected values")
        try:
            array = as_tensor(value)._array
        except (TypeError, ValueError) as error:
            raise TypeError(f"feed: {name} is {type(value).__name__}: {error}") from None
        if not isinstance(array, np.ndarray):
            raise TypeError(f"feed: {name} is part of a graph under construction, expected values")
        if array.dtype != x.dtype:
            raise TypeError(f"feed: expected {name} of {x.dtype}, got {array.dtype}")
        return np.ascontiguousarray(array).reshape(array.shape)

    def _read(self, arrays: list[Any]) -> Values:
        """The sizes that were left open, from the shapes of the arrays."""
        values: Values = {}
        pairs = list(zip(self.graph.inputs, arrays, strict=True))
        for x, array in [*pairs, *pairs]:  # twice: a size may be told by a later input
            if not self._sizes.read(x.shape, array.shape, values):
                raise ValueError(
                    f"feed: expected {x.source.name} of shape {x.shape}, got {array.shape}"
                    + (f" ({_told(values)})" if values else "")
                )
        for name, n in values.items():
            if n < self._sizes.least:
                raise ValueError(f"feed: the size {told(name)} is {n}, expected at least 1")
        return values

    def _variant(self, values: Values) -> Variant:
        key = tuple(values.values())
        with self._lock:
            found = self._variants.pop(key, None)
            if found is None:
                found = self._latest = self._made(values)
            self._variants[key] = found  # the latest is the last
            if len(self._variants) > LARGEST_CACHE:
                del self._variants[next(iter(self._variants))]
        return found

    def _made(self, values: Values) -> Variant:
        start = time.perf_counter()
        for guard in self._sizes.broken({**self._sizes.now, **values}):
            raise ValueError(f"feed: the graph was built for {guard}; got {_told(values)}")
        try:
            found = Variant(self, [self.graph], {**self._sizes.now, **values})
        except (GraphError, ValueError, IndexError, ArithmeticError) as error:
            raise ValueError(
                f"feed: the graph does not work for {_told(values)}: {error}"
            ) from None
        found.seconds = time.perf_counter() - start
        return found

    def explain(self, verbose: bool = False) -> str:
        """What the graph became for the sizes that came last: see `Compiled.explain`."""
        return self._latest.explain(verbose) if self._latest else "not run yet: feed it once"

    def __repr__(self) -> str:
        return f"<graph function of {self._expected()}>"


def _told(values: Values) -> str:
    return ", ".join(f"{told(name)} = {n}" for name, n in values.items()) or "these shapes"
