"""Graphs in files: plain arrays and one table of calls. Nothing in a file is ever executed.

A file is a zip archive in NumPy's `.npz` layout: the arrays that the graph reads (parameters,
constants) as `array0`, ..., those among attributes as `attribute0`, ..., and `graph.json`:

    format    "pyautograd graph"
    version   1; a file of a later version is refused
    sizes     [name, named, first] of each size left open: whether the user named it, and whether it
              is that of a dimension 0
    guards    [comparison, a, b, answer, line of the program]: what the sizes have to fulfil
    inputs    [name, dtype, shape] of each placeholder
    arrays    how many arrays the graph reads, and how many are attributes
    calls     [op, operands, attributes, [[dtype, shape] of each output], line of the program]
    results   numbers of values: inputs, arrays and the calls' outputs, counted in this order
    tree      the containers around the results

In operands, attributes and shapes null, true, false, integers, finite floats, strings and lists
stand for themselves; all else is an object with one key: {"value": number}, {"size": terms},
{"tuple": [...]}, {"slice": [...]}, ... as `_ENCODED` has them.

What is loaded is not trusted: ops are looked up by name, and for each choice of sizes all of them
are run once on zeros, so that the kernels' own checks have seen every call before a plan is made.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.graph import GraphError
from pyautograd.ops.index import PLACE
from pyautograd.ops.inplace import Region
from pyautograd.serialization import write_npz, write_whole
from pyautograd.static.feed import GraphFunction
from pyautograd.static.file_reader import LoadedFunction, Reader
from pyautograd.static.graph import Graph, Value
from pyautograd.static.program import Place
from pyautograd.static.symbolic import Ratio, Size, atoms_in, frozen, sizes_in

_ENTRY = "graph.json"
_FORMAT, _VERSION = "pyautograd graph", 1

Path = str | os.PathLike[str]


# ---- out -----------------------------------------------------------------------------------------


def save(graph: Graph, path: Path) -> None:
    """Writes a graph and the arrays that it reads, as they are now, for `static.load`.

    The file appears whole or not at all. Raises GraphError for a graph that changes memory
    (running statistics, an optimiser's step) or draws random numbers: save what evaluates.
    """
    if graph.tree is None:
        raise GraphError("save: only graphs that static.compile has made are saved")
    writer = _Writer(graph)
    text = json.dumps(writer.table(), allow_nan=False)
    arrays = {f"array{i}": x for i, x in enumerate(writer.arrays)}
    arrays |= {f"attribute{i}": x for i, x in enumerate(writer.attributes)}
    target = os.path.realpath(os.fspath(path))
    write_whole(target, lambda file: write_npz(file, text, arrays, _ENTRY))


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.arrays: list[Any] = []
        self.attributes: list[Any] = []
        self._numbers: dict[Value, int] = {x: i for i, x in enumerate(graph.inputs)}
        places: dict[int, int] = {}
        for x in [x for call in graph.calls for x in call.values()] + graph.results:
            if x in self._numbers or x.call is not None:
                continue
            if not isinstance(x.source, np.ndarray):
                raise GraphError("save: the graph draws random numbers; save one in eval() mode")
            if id(x.source) not in places:
                places[id(x.source)] = len(graph.inputs) + len(self.arrays)
                self.arrays.append(x.source)
            self._numbers[x] = places[id(x.source)]
        count = len(graph.inputs) + len(self.arrays)
        for call in graph.calls:
            if call.op is None:
                raise GraphError(
                    "save: the graph changes memory (an optimiser's step, running statistics, "
                    f"gradients), at {call.where}; save one that only evaluates"
                )
            for y in call.outputs:
                self._numbers[y] = count
                count += 1

    def table(self) -> dict[str, Any]:
        graph, sizes = self.graph, self.graph.sizes
        used = _unknowns([x.shape for x in graph.inputs])
        calls = [
            [
                call.name,
                self.encoded(call.operands),
                self.encoded(list(call.attrs)),
                list(map(self._layout, call.outputs)),
                call.where,
            ]
            for call in graph.calls
        ]
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "sizes": [entry for entry in sizes.described() if entry[0] in used],
            "guards": [
                [g.name, self.encoded(g.a), self.encoded(g.b), g.answer, g.where]
                for g in sizes.guards.values()
                if _unknowns([g.a, g.b]) <= used
            ],
            "inputs": [[x.source.name, *self._layout(x)] for x in graph.inputs],
            "arrays": [len(self.arrays), len(self.attributes)],
            "calls": calls,
            "results": [self._numbers[y] for y in graph.results],
            "tree": self.encoded(graph.tree),
        }

    def _layout(self, x: Value) -> list[Any]:
        return [x.dtype.name, self.encoded(list(x.shape))]

    def encoded(self, x: Any) -> Any:
        if x is None or isinstance(x, (bool, str)):
            return x
        if isinstance(x, (int, np.integer)):
            return int(x)
        if isinstance(x, (float, np.floating)):
            return float(x) if math.isfinite(x) else {"float": str(float(x))}
        if isinstance(x, list):
            return list(map(self.encoded, x))
        for kind, (what, take) in _ENCODED.items():
            if isinstance(x, what) and not isinstance(x, Region):
                return {kind: take(self, x)}
        raise GraphError(f"save: an attribute of type {type(x).__name__} cannot be in a file")

    def number(self, x: Value) -> int:
        return self._numbers[x]

    def added(self, x: Any) -> int:
        """The number of an array of an attribute."""
        self.attributes.append(x)
        return len(self.attributes) - 1

    def many(self, x: Any) -> list[Any]:
        return list(map(self.encoded, x))

    def pairs(self, x: dict[Any, Any]) -> list[Any]:
        return [[self.encoded(key), self.encoded(value)] for key, value in x.items()]


# How a writer encodes what is no plain value, by the key of the object, in the order of trial.
_ENCODED: dict[str, tuple[type, Callable[[Any, Any], Any]]] = {
    "value": (Value, lambda writer, x: writer.number(x)),
    "size": (Size, lambda writer, x: _plain(frozen(x.terms))),
    "ratio": (Ratio, lambda writer, x: [x.name, *map(writer.encoded, x.args)]),
    "result": (Place, lambda writer, x: x.number),
    "slice": (slice, lambda writer, x: writer.many((x.start, x.stop, x.step))),
    "ellipsis": (type(...), lambda writer, x: None),
    "place": (type(PLACE), lambda writer, x: None),
    "dtype": (np.dtype, lambda writer, x: x.name),
    "array": (np.ndarray, lambda writer, x: writer.added(x)),
    "dict": (dict, lambda writer, x: writer.pairs(x)),
    "tuple": (tuple, lambda writer, x: writer.many(x)),
}


def _unknowns(x: Any) -> set[str]:
    """The names of the unknowns in shapes and numbers."""
    return {name for size in sizes_in(x) for name in atoms_in(size.terms)}


def _plain(terms: Any) -> Any:
    """Frozen terms as lists."""
    return [
        [[a if isinstance(a, str) else [a[0], _plain(a[1]), _plain(a[2])] for a in atoms], factor]
        for atoms, factor in terms
    ]


# ---- back ----------------------------------------------------------------------------------------


def load(path: Path) -> GraphFunction:
    """The function of a graph that `graph.save` has written.

    Its arrays are those of the file: they stay as they are. Raises ValueError, with the path, for a
    file that is damaged, of a later version, or that `save` has not written. A file is never
    trusted: see the head of static/file.py for what is checked.

    >>> import os, tempfile
    >>> import pyautograd as ag
    >>> x = ag.static.placeholder((None, 3), name="x")
    >>> f = ag.static.compile(x, ag.nn.Linear(3, 2)(x))
    >>> path = os.path.join(tempfile.mkdtemp(), "linear.npz")
    >>> f.graph.save(path)
    >>> g = ag.static.load(path)
    >>> bool((g(ag.ones(4, 3)) == f(ag.ones(4, 3))).all())
    True
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                table = json.loads(archive.read(_ENTRY))
                if table["format"] != _FORMAT:
                    raise ValueError(f"format {table['format']!r}")
                if type(table["version"]) is int and table["version"] > _VERSION:
                    raise _NewerError(
                        f"load: {name} is of version {table['version']} of the format, this "
                        f"package reads up to {_VERSION}"
                    )
                if table["version"] != _VERSION or type(table["version"]) is not int:
                    raise ValueError(f"version {table['version']!r}")
                graph = Reader(table, archive).graph
                values = [x for call in graph.calls for x in call.values()]
                graph.watched = [x.source for x in values if isinstance(x.source, np.ndarray)]
            function = LoadedFunction(graph, graph.sizes, [])
            function.validate(graph.sizes.now)
        except (MemoryError, _NewerError):
            raise
        except Exception as error:
            raise ValueError(f"load: {name} is damaged, or not a saved graph: {error!r}") from error
    return function


class _NewerError(ValueError):
    pass
