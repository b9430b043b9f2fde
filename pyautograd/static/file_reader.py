"""The reader of saved graphs: see file.py for the format. Nothing in a file is believed."""

from __future__ import annotations

import math
import zipfile
from typing import Any

import numpy as np

from pyautograd.dtypes import SUPPORTED
from pyautograd.op import OPS
from pyautograd.ops.index import PLACE
from pyautograd.serialization import array_of
from pyautograd.static.feed import GraphFunction
from pyautograd.static.graph import Call, Graph, Input, Value
from pyautograd.static.program import Place
from pyautograd.static.shapes import zeros_of
from pyautograd.static.sizes import Guard
from pyautograd.static.symbolic import COMPARE, Ratio, Size, evaluate, frozen
from pyautograd.static.unify import OpenSizes

_LARGEST_NUMBER = 2**63
_LARGEST_VALUE = 2**31  # bytes of a value, at the sizes of the examples
_RATIOS = ("+", "-", "*", "/", "//", "%")
_DTYPES = {dtype.name: dtype for dtype in SUPPORTED}


# What the attributes of ops look like whose native steps read them without a check of their own;
# other ops with attributes are run by their forward, which checks. [int]: any number of integers.
_PAIR = (int, int)
_WINDOWS = (np.dtype(np.int64), np.dtype(np.int64), np.dtype(np.float64))  # 1-D arrays
ATTRIBUTES: dict[str, Any] = {
    "sum": ([int], bool, float),
    "sum_integers": ([int], bool),
    "prod_integers": ([int], bool),
    "all": ([int], bool),
    "any": ([int], bool),
    "extreme": ([int], bool, bool),
    "extreme_along": (int, bool),
    "arg_extreme": (bool,),
    "sort": (int, bool, int),
    "running_sum": (int, bool),
    "running_extreme": (int, bool),
    "embedding": (int,),
    "embedding_grad": (int, int),
    "gather": (int,),
    "scatter": (int,),
    "scatter_add": (int, [int]),
    "softmax": (int,),
    "log_softmax": (int,),
    "softmax_grad": (int,),
    "log_softmax_grad": (int,),
    "cross_entropy": (int, str, float),
    "normalize": ((int, int, int), int, float, bool),
    "normalize_grad": ((int, int, int), int, float, bool),
    "conv2d": (_PAIR, _PAIR, _PAIR, int),
    "conv2d_input_grad": (_PAIR, _PAIR, _PAIR, _PAIR, int),
    "conv2d_weight_grad": (_PAIR, _PAIR, _PAIR, _PAIR, int),
    "max_pool2d": (_PAIR, _PAIR, _PAIR, _PAIR, bool),
    "max_pool2d_scatter": (_PAIR, _PAIR, _PAIR, _PAIR, _PAIR),
    "max_pool2d_gather": (_PAIR, _PAIR, _PAIR, _PAIR),
    "max_pool2d_indices": (_PAIR, _PAIR, _PAIR, _PAIR, _PAIR),
    "unfold": (_PAIR, _PAIR, _PAIR, _PAIR),
    "fold": (_PAIR, _PAIR, _PAIR, _PAIR, _PAIR),
    "avg_pool2d": (_WINDOWS, _WINDOWS),
    "avg_pool2d_grad": (_WINDOWS, _WINDOWS, _PAIR),
}


def is_like(x: Any, pattern: Any) -> bool:
    """Whether attributes are of the kinds that a pattern of `ATTRIBUTES` says, and in its order."""
    if isinstance(pattern, np.dtype):
        return isinstance(x, np.ndarray) and x.dtype == pattern and x.ndim == 1
    if isinstance(pattern, type):
        return type(x) is pattern
    if type(x) is not tuple:
        return False
    kinds = pattern * len(x) if isinstance(pattern, list) else pattern
    return len(x) == len(kinds) and all(map(is_like, x, kinds))


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
            if call.name in ATTRIBUTES and not is_like(attrs, ATTRIBUTES[call.name]):
                raise ValueError(f"{call.name} with the attributes {attrs}")
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


class Reader:
    """Makes a graph of the table in a file, and the arrays beside it."""

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
            self.sizes.guards[len(self.sizes.guards)] = guard
        graph.tree = self.decoded(table["tree"])
        _check_tree(graph.tree, len(graph.results))

    def _value(self, dtype: str, shape: Any, **more: Any) -> Value:
        sizes = tuple(self.decoded(shape))
        if not all(isinstance(n, (int, Size)) for n in sizes) or len(sizes) > 32:
            raise ValueError(f"the shape {sizes}")
        return Value(sizes, _DTYPES[dtype], **more)

    def _call(self, name: str, operands: Any, attrs: Any, outputs: Any, where: str) -> Call:
        op = OPS[name]
        given = self.decoded(operands)
        if op.inputs >= 0 and len(given) != op.inputs:
            raise ValueError(f"{name} with {len(given)} operands")
        plain = (Value, Size, Ratio, int, float, type(None))
        if not all(isinstance(x, plain) for x in given):
            raise ValueError(f"operands of {name}")
        call = Call(name, op, given, tuple(self.decoded(attrs)))
        call.by_python = bool(call.attrs) and name not in ATTRIBUTES
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
        return _DECODED[kind](self, value)

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


# What an object in the table stands for, by its key.
_DECODED = {
    "value": Reader.value,
    "size": Reader.size,
    "ratio": Reader.ratio,
    "result": lambda reader, x: Place(_integer(x)),
    "float": lambda reader, x: float(_text(x)),
    "slice": lambda reader, x: slice(*reader.many(x)),
    "ellipsis": lambda reader, x: ...,
    "place": lambda reader, x: PLACE,
    "dtype": lambda reader, x: _DTYPES[x],
    "array": Reader.array,
    "dict": Reader.pairs,
    "tuple": Reader.many,
}
