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

from pyautograd.dtypes import SUPPORTED
from pyautograd.graph import GraphError
from pyautograd.op import OPS
from pyautograd.ops.index import PLACE
from pyautograd.serialization import array_of, write_npz, write_whole
from pyautograd.static.feed import GraphFunction
from pyautograd.static.graph import Call, Graph, Input, Value
from pyautograd.static.program import Place
from pyautograd.static.sizes import COMPARE, Guard, Ratio, Size, evaluate, frozen
from pyautograd.static.trace import zeros_of
from pyautograd.static.unify import OpenSizes

_ENTRY = "graph.json"
_FORMAT, _VERSION = "pyautograd graph", 1
_LARGEST_NUMBER = 2**63
_LARGEST_VALUE = 2**31  # bytes of a value, at the sizes of the examples
_RATIOS = ("+", "-", "*", "/", "//", "%")

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
            "sizes": sizes.described(),
            "guards": [
                [g.name, self.encoded(g.a), self.encoded(g.b), g.answer, g.where]
                for g in sizes.guards.values()
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
        for kind, (what, take, _) in _ENCODED.items():
            if isinstance(x, what):
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
                graph = _Reader(table, archive).graph
            function = LoadedFunction(graph, graph.sizes, [])
            function.validate(graph.sizes.now)
        except (MemoryError, _NewerError):
            raise
        except Exception as error:
            raise ValueError(f"load: {name} is damaged, or not a saved graph: {error!r}") from error
    return function


class _NewerError(ValueError):
    pass


class LoadedFunction(GraphFunction):
    """A function of a file: nothing in it is believed."""

    def _made(self, values: Any) -> Any:
        try:
            self.validate({**self._sizes.now, **values})
        except (TypeError, IndexError, ArithmeticError, AttributeError, RuntimeError) as error:
            raise ValueError(f"feed: the graph does not work for {values}: {error}") from error
        return super()._made(values)

    def validate(self, values: Any) -> None:
        """Runs every op on zeros, for the sizes given; raises what the kernels raise."""
        for call in self.graph.calls:
            op = OPS[call.name]
            operands = [_zeros(x, values) for x in call.operands]
            attrs = evaluate(call.attrs, values)
            for y in call.outputs:
                _check_size(y, values)
            given = op.forward(operands, *attrs) if op.inputs < 0 else op.forward(*operands, *attrs)
            found = [(y.shape, y.dtype) for y in (given if type(given) is tuple else (given,))]
            wanted = [(evaluate(y.shape, values), y.dtype) for y in call.outputs]
            if found != wanted:
                raise ValueError(f"{call.name} gives {found}, the file has {wanted}")


def _zeros(x: Any, values: Any) -> Any:
    if not isinstance(x, Value):
        return evaluate(x, values)
    _check_size(x, values)
    return zeros_of(Value(evaluate(x.shape, values), x.dtype))


def _check_size(x: Value, values: Any) -> None:
    shape = evaluate(x.shape, values)
    if any(n < 0 for n in shape) or math.prod(shape) * x.dtype.itemsize > _LARGEST_VALUE:
        raise ValueError(f"a value of shape {shape}")


class _Reader:
    def __init__(self, table: dict[str, Any], archive: zipfile.ZipFile) -> None:
        self.sizes = OpenSizes()
        for name, named, first in table["sizes"]:
            if not isinstance(name, str) or name in self.sizes.now:
                raise ValueError(f"the size {name!r}")
            self.sizes.add(name, bool(named), bool(first))
        self.graph = graph = Graph()
        graph.sizes = self.sizes
        for i, (name, dtype, shape) in enumerate(table["inputs"]):
            graph.inputs.append(self._value(dtype, shape, source=Input(i, _text(name))))
        arrays, self._attributes = (
            [_array(archive, f"{kind}{i}") for i in range(_integer(count))]
            for kind, count in zip(("array", "attribute"), table["arrays"], strict=True)
        )
        self._values = [*graph.inputs, *[Value(x.shape, x.dtype, source=x) for x in arrays]]
        for call in table["calls"]:
            graph.calls.append(self._call(*call))
        graph.results = [self.value(i) for i in table["results"]]
        for name, a, b, answer, where in table["guards"]:
            if name not in COMPARE:
                raise ValueError(f"the comparison {name!r}")
            guard = Guard(name, self.decoded(a), self.decoded(b), bool(answer))
            guard.where = _text(where)
            self.sizes.guards[str(len(self.sizes.guards))] = guard
        graph.tree = self.decoded(table["tree"])
        _check_tree(graph.tree, len(graph.results))

    def _value(self, dtype: str, shape: Any, **more: Any) -> Value:
        kinds = {d.name: d for d in SUPPORTED}
        sizes = tuple(self.decoded(shape))
        if not all(isinstance(n, (int, Size)) for n in sizes) or len(sizes) > 32:
            raise ValueError(f"the shape {sizes}")
        return Value(sizes, kinds[dtype], **more)

    def _call(self, name: str, operands: Any, attrs: Any, outputs: Any, where: str) -> Call:
        op = OPS[name]
        given = self.decoded(operands)
        if op.inputs >= 0 and len(given) != op.inputs:
            raise ValueError(f"{name} with {len(given)} operands")
        plain = (Value, Size, Ratio, int, float, type(None))
        if not all(isinstance(x, plain) for x in given):
            raise ValueError(f"operands of {name}")
        call = Call(name, op, given, tuple(self.decoded(attrs)))
        call.where = _text(where)
        call.outputs = [self._value(*layout) for layout in outputs]
        for y in call.outputs:
            y.call = call
        self._values += call.outputs
        return call

    def value(self, number: Any) -> Value:
        return self._values[_integer(number)]

    def array(self, number: Any) -> Any:
        return self._attributes[_integer(number)]

    def decoded(self, x: Any) -> Any:
        if x is None or isinstance(x, (bool, str)):
            return x
        if isinstance(x, (int, float)):
            if abs(x) > _LARGEST_NUMBER:
                raise ValueError(f"the number {x}")
            return x
        if isinstance(x, list):
            return list(map(self.decoded, x))
        ((kind, value),) = x.items()
        return _ENCODED[kind][2](self, value)

    def many(self, x: Any) -> tuple[Any, ...]:
        return tuple(map(self.decoded, x))

    def size(self, terms: Any) -> Any:
        return Size(self.sizes, dict(self._terms(terms)))

    def _terms(self, terms: Any, depth: int = 0) -> Any:
        if depth > 16:
            raise ValueError("a size that is nested too deeply")
        found = {}
        for atoms, factor in terms:
            if len(atoms) > 16 or abs(_integer(factor, -_LARGEST_NUMBER)) > _LARGEST_NUMBER:
                raise ValueError(f"a size of {len(atoms)} factors")
            found[tuple([self._atom(a, depth) for a in atoms])] = factor
        return frozen(found)

    def _atom(self, atom: Any, depth: int) -> Any:
        if isinstance(atom, str):
            if atom not in self.sizes.now:
                raise ValueError(f"the size {atom!r}")
            return atom
        name, x, y = atom
        if name not in ("//", "%"):
            raise ValueError(f"the operation {name!r}")
        return name, self._terms(x, depth + 1), self._terms(y, depth + 1)

    def ratio(self, x: Any) -> Ratio:
        name, a, b = x
        if name not in _RATIOS:
            raise ValueError(f"the operation {name!r}")
        return Ratio(self.sizes, name, (self.decoded(a), self.decoded(b)))

    def pairs(self, x: Any) -> dict[Any, Any]:
        return {self.decoded(key): self.decoded(value) for key, value in x}


def _text(x: Any) -> str:
    if not isinstance(x, str) or len(x) > 10_000:
        raise ValueError("expected a text")
    return x


def _integer(x: Any, least: int = 0) -> int:
    if type(x) is not int or x < least:
        raise ValueError(f"the number {x!r}")
    return x


def _array(archive: zipfile.ZipFile, name: str) -> Any:
    array = array_of(archive.read(f"{name}.npy"))
    if array.dtype not in SUPPORTED:
        raise ValueError(f"{name} is {array.dtype}")
    array = np.array(array, order="C")  # owns its memory: a constant of the graph
    array.flags.writeable = False
    return array


def _check_tree(tree: Any, count: int) -> None:
    if isinstance(tree, Place):
        if not 0 <= tree.number < count:
            raise ValueError(f"the result {tree.number}")
    elif isinstance(tree, (tuple, list, dict)):
        for x in tree.values() if isinstance(tree, dict) else tree:
            _check_tree(x, count)
    else:
        raise ValueError(f"a result {tree!r}")


# By the key of an object: (types, how to write one, how to read one).
_ENCODED: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]] = {
    "value": (Value, lambda w, x: w.number(x), lambda r, x: r.value(x)),
    "size": (Size, lambda w, x: _plain(frozen(x.terms)), lambda r, x: r.size(x)),
    "ratio": (Ratio, lambda w, x: [x.name, *map(w.encoded, x.args)], lambda r, x: r.ratio(x)),
    "result": (Place, lambda w, x: x.number, lambda r, x: Place(_integer(x))),
    "float": ((), None, lambda r, x: float(_text(x))),  # type: ignore[dict-item]
    "slice": (
        slice,
        lambda w, x: w.many((x.start, x.stop, x.step)),
        lambda r, x: slice(*r.many(x)),
    ),
    "ellipsis": (type(...), lambda w, x: None, lambda r, x: ...),
    "place": (type(PLACE), lambda w, x: None, lambda r, x: PLACE),
    "dtype": (np.dtype, lambda w, x: x.name, lambda r, x: {d.name: d for d in SUPPORTED}[x]),
    "array": (np.ndarray, lambda w, x: w.added(x), lambda r, x: r.array(x)),
    "dict": (dict, lambda w, x: w.pairs(x), lambda r, x: r.pairs(x)),
    "tuple": (tuple, lambda w, x: w.many(x), lambda r, x: r.many(x)),
}


def _plain(terms: Any) -> Any:
    """Frozen terms as lists."""
    return [
        [[a if isinstance(a, str) else [a[0], _plain(a[1]), _plain(a[2])] for a in atoms], factor]
        for atoms, factor in terms
    ]
