"""The graph of a traced program: values, and the calls of ops that compute them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyautograd import modes
from pyautograd.graph import GraphError, Symbol
from pyautograd.op import Op
from pyautograd.origin import users_line
from pyautograd.watch import node_in_backward


class _Flags:
    """Of a value that nobody else can write to."""

    c_contiguous = carray = writeable = owndata = True


class Value(Symbol):
    """What a call computes, or what the program was handed: a shape and a dtype, no elements.

    It takes the place of an array in a Tensor while a program is traced. What asks for elements
    gets a GraphError that names the user's line.
    """

    __slots__ = ("__weakref__", "call", "source")

    base = None
    flags = _Flags()

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, call: Call | None = None, source: Any = None
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.call = call  # what computes it
        self.source = source  # else: the array it is read from, an Input or a Draw

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        steps, step = [], self.itemsize
        for n in reversed(self.shape):
            steps.append(step)
            step *= max(n, 1)
        return tuple(reversed(steps))

    def copy(self) -> Value:
        return self  # nothing changes it

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        if not modes.in_graph():
            raise GraphError(
                f"a tensor of shape {self.shape} was made while a function was traced and has no "
                f"values, but {users_line()} asks for them; have the compiled function return it"
            )
        raise GraphError(
            f"a graph is being built, and the values of a tensor of shape {self.shape} are not "
            f"known yet, but Python asks for them at {users_line()}; use ops instead (where(), "
            "clamp(), ...), or read the value from what the compiled function returns"
        )

    __array__ = __bool__ = __int__ = __float__ = __index__ = __iter__ = __getitem__ = _refuse
    __setitem__ = __contains__ = item = tolist = astype = any = all = min = max = sum = _refuse
    __dlpack__ = tobytes = _refuse
    __array_ufunc__ = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._refuse()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<value of shape {self.shape}, {self.dtype}>"


class Input:
    """The source of a value that the program is handed, by its number."""

    __slots__ = ("name", "number")

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name


class Draw:
    """The source of random numbers: `make(shape)` draws them anew for each run."""

    __slots__ = ("make", "shape")

    def __init__(self, make: Any, shape: tuple[int, ...]) -> None:
        self.make = make
        self.shape = shape

    def draw(self) -> Any:
        return self.make(self.shape)


class Call:
    """A call of an op. Operands are Values, Python numbers or None."""

    __slots__ = (
        "attrs", "backward", "by_python", "modules", "name", "op", "operands", "outputs", "parts",
        "where",
    )  # fmt: skip

    def __init__(
        self, name: str, op: Op | None, operands: list[Any], attrs: tuple[Any, ...] = ()
    ) -> None:
        self.name = name
        self.op = op  # None for what is no op: a write, an optimiser's step, a fused program
        self.operands = operands
        self.attrs = attrs
        self.outputs: list[Value] = []
        self.where = users_line()
        self.backward = node_in_backward() is not None  # whether a gradient rule made it
        self.by_python = False  # whether the op's forward has to run it: no native step may
        self.modules: tuple[Any, ...] = ()  # of whose call it is a part, outermost first
        self.parts: list[Call] = []  # of a fused program, the calls that it is made of

    def copy(self, operands: list[Any], attrs: tuple[Any, ...]) -> Call:
        """The same call of other operands, without outputs yet."""
        again = Call.__new__(Call)
        again.name, again.op = self.name, self.op
        again.where, again.backward, again.by_python = self.where, self.backward, self.by_python
        again.modules, again.parts = self.modules, self.parts
        again.operands, again.attrs, again.outputs = operands, attrs, []
        return again

    @property
    def has_effect(self) -> bool:
        """Whether it changes memory of the program, and so must run, in its place."""
        return self.name in ("write", "optimizer")

    def arguments(self) -> list[Any]:
        """Operands and attributes, as the op's forward and its shape rule take them."""
        assert self.op is not None
        return [self.operands, *self.attrs] if self.op.inputs < 0 else [*self.operands, *self.attrs]

    @property
    def title(self) -> str:
        """Its name; of fused calls, the names of their ops."""
        if self.name == "program":
            return "+".join(self.attrs[0])
        if self.name in ("epilogue", "summed"):
            return "+".join(call.title for call in self.attrs if not is_view(call))
        return self.name

    def values(self) -> Iterator[Value]:
        return (x for x in self.operands if isinstance(x, Value))

    def __repr__(self) -> str:
        return f"<call of {self.name}>"


def is_view(call: Call) -> bool:
    """Whether the call only looks at its operand in another way."""
    return call.op is not None and (call.op.view or call.name == "detach")


def viewed(x: Value) -> Value:
    """The value whose memory x is, or shares, if it is a view."""
    while x.call is not None and is_view(x.call):
        x = x.call.operands[0]
    return x


class Graph:
    """Calls in the order of the program.

    Values that are read from arrays (`source`) share memory with the program: parameters, buffers,
    constants. A "write" changes such memory, and so does an "optimizer"; a value read after it is
    another Value. Hence calls may move, but not across a write to what they read.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.inputs: list[Value] = []
        self.results: list[Value] = []
        self.draws: list[Value] = []  # in the order in which each run makes them, used or not
        self.sizes: Any = None  # unknown ones: see static/unify.py
        self.tree: Any = None  # the containers in which results are returned
        # Arrays of which every change is noted in modes.py, or that they may change: see ready.py.
        self.watched: list[Any] = []

    def consumers(self) -> dict[Value, list[Call]]:
        """The calls that read each value."""
        found: dict[Value, list[Call]] = {}
        for call in self.calls:
            for x in call.values():
                found.setdefault(x, []).append(call)
        return found

    def memory(self) -> dict[Value, Any]:
        """The array whose memory a value shares, for those read from one, or views of such."""
        found: dict[Value, Any] = {}
        for call in self.calls:
            for x in call.values():
                if isinstance(x.source, np.ndarray):
                    found[x] = modes.owner(x.source)
            if is_view(call):
                owner = found.get(call.operands[0])
                if owner is not None:
                    found[call.outputs[0]] = owner
        return found

    def text(self, names: dict[Value, str] | None = None) -> str:
        """A line a call. `names`: of values told before, to which those of new ones are added."""
        names = {} if names is None else names

        def name(x: Any) -> str:
            if not isinstance(x, Value):
                return repr(x)
            if x not in names:
                if isinstance(x.source, Input):
                    names[x] = x.source.name
                else:
                    kind = "t" if x.call is not None else "r" if isinstance(x.source, Draw) else "p"
                    names[x] = f"{kind}{len(names)}"
            return names[x]

        lines = []
        for call in self.calls:
            operands = ", ".join(map(name, call.operands))
            attrs = "".join(f", {a!r}" for a in call.attrs) if call.op is not None else ""
            results = ", ".join(f"{name(y)}: {y.dtype}{list(y.shape)}" for y in call.outputs)
            line = f"{call.title}({operands}{attrs})"
            lines.append(f"{results} = {line}" if results else line)
        if self.results:
            lines.append("return " + ", ".join(map(name, self.results)))
        return "\n".join(lines)

    def print(self) -> None:
        """Prints the graph, a line a call."""
        print(self.text())

    def save(self, path: Any) -> None:
        """Writes a graph of placeholders to a file, for `static.load`: see static/file.py."""
        from pyautograd.static.file import save

        save(self, path)
