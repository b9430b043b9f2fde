"""The placeholder door: a graph is built of symbols first, then compiled, then fed.

A symbol is a Tensor that stands for a value of the graph: ops on it note themselves in the graph,
and so does whatever needs more than ops (modules, dropout, `backward`, `optimizer.step`), all by
one road: `Build.run`, which hands the inner tensors to a function while the tracer of static/
trace.py is at work. What is computed without a symbol is computed at once, as always.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyautograd import modes
from pyautograd.dtypes import as_dtype
from pyautograd.func.pytree import leaves, rebuild, tree_map
from pyautograd.graph import GraphError
from pyautograd.op import NoArrayError, Op, Stand
from pyautograd.origin import users_line, users_line_of
from pyautograd.static.feed import GraphFunction
from pyautograd.static.found import own_tensors
from pyautograd.static.graph import Value
from pyautograd.static.program import Place
from pyautograd.static.template import part_of
from pyautograd.static.trace import Tracer
from pyautograd.static.unify import OpenSizes
from pyautograd.tensor import Tensor, wrap
from pyautograd.watch import watch_ops


class NoValuesError(NoArrayError, GraphError):
    """Python asked for the values of a symbol."""


class Symbolic(Stand):
    """A tensor that stands for a value of a graph under construction."""

    __slots__ = ("fed", "graph", "inner")
    graph: Build
    inner: Tensor

    def __init__(self, inner: Tensor, graph: Build, fed: Value | None = None) -> None:
        self.inner = inner
        self.graph = graph
        self.fed = fed  # of a placeholder, the value that is fed, also after changes in place
        self._node = inner._node

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.inner.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inner.dtype

    @property
    def grad(self) -> Any:
        return self.graph.outer(self.inner.grad)

    @grad.setter
    def grad(self, value: Any) -> None:
        self.inner.grad = self.graph.inside(value)

    @property
    def _array(self) -> Any:
        raise NoValuesError(
            f"a graph is being built, and the values of a tensor of shape {self.shape} are not "
            f"known yet, nor can they be changed in place, at {users_line()}; use ops instead, or "
            "read the value from what the compiled function returns"
        )

    @classmethod
    def run_op(cls, op: Op, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        given = args[0] if op.inputs < 0 else args[: op.inputs]
        for x in given:
            if isinstance(x, Tensor) and not isinstance(x, Stand) and not _stays_current(x):
                raise GraphError(
                    f"{op.name}: an operand was computed from parameters outside of the graph, and "
                    f"would stay as it is, at {users_line()}; compute it in the forward() of a "
                    "module that is called on a symbol, or detach() it if it is a constant"
                )
        return next(x for x in given if isinstance(x, cls)).graph.run(run, *args)

    def backward(self, *args: Any, **kwargs: Any) -> None:
        """Puts gradients into the graph: after it, `grad` of each leaf is a symbol."""
        self.graph.run(Tensor.backward, self, *args, **kwargs)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Marks it as a leaf, for `autograd.grad`."""
        self.graph.run(Tensor.requires_grad_, self, requires_grad)
        self._node = self.inner._node
        return self

    def __repr__(self) -> str:
        return f"<symbol of shape {self.shape}, {self.dtype}>"


def _stays_current(x: Tensor) -> bool:
    """Whether x is no result of ops that were run at once, but for views of a leaf."""
    node = x._node
    if node is None or not node.edges:
        return True
    while node.edges:
        if not node.op.view or node.edges[0] is None:
            return False
        node = node.edges[0]
    leaf = node.kept()
    return leaf is not None and modes.owner(leaf._array) is modes.owner(x._array)


class Build:
    """A graph under construction. It lives as long as any of its symbols."""

    def __init__(self) -> None:
        self.sizes = OpenSizes()
        self.sizes.build = weakref.ref(self)
        self.named: dict[str, Any] = {}  # sizes
        self.causes: dict[Any, list[Value]] = {}  # of effects: what `run` was handed
        self.tracer = Tracer(sizes=self.sizes)
        self.tracer._ops = self.tracer._mode = None  # type: ignore[assignment]  # see `run`
        with modes.lock:
            modes.state.building += 1
        weakref.finalize(self, _over)

    def inside(self, x: Any) -> Any:
        """The tensor that a symbol stands for."""
        if not isinstance(x, Symbolic):
            return x
        if x.graph is not self:
            raise GraphError(f"symbols of two graphs meet at {users_line()}")
        return x.inner

    def outer(self, x: Any) -> Any:
        """The symbol that stands for a tensor of the graph."""
        if isinstance(x, Tensor) and not isinstance(x, Stand) and isinstance(x._array, Value):
            return Symbolic(x, self)
        return x

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A function of symbols, run once with all that it does noted in the graph."""
        args, kwargs = tree_map(self.inside, (args, kwargs))
        self._exchange_grads(self.inside)
        bound = dict(self.sizes.bound)
        calls = self.tracer.graph.calls
        start = len(calls)
        given = [x._array for x in leaves((args, kwargs)) if self.outer(x) is not x]
        try:
            with watch_ops(self.tracer._call), modes.tracing(self.tracer):
                result = function(*args, **kwargs)
        except BaseException as error:
            del calls[start:]  # nothing half done
            self.sizes.bound = bound
            line = users_line_of(error)
            if type(error) not in (ValueError, TypeError, IndexError) or line in str(error):
                raise
            raise type(error)(f"{error}, at {line}") from error
        finally:
            self._exchange_grads(self.outer)
        self.causes.update((call, given) for call in calls[start:] if call.has_effect)
        return tree_map(self.outer, result)

    def _exchange_grads(self, how: Callable[[Any], Any]) -> None:
        """Gradients of leaves are symbols outside of `run`."""
        for leaf in self.tracer.leaves.values():
            tensor = leaf.tensor()
            if tensor is not None and not isinstance(tensor._array, Value):
                tensor.grad = how(tensor.grad)

    def size(self, n: Any, name: str, dim: int) -> Any:
        """A size of a placeholder: an integer, None, or the name of a size."""
        if isinstance(n, str) and n:
            if n not in self.named:
                self.named[n] = self.sizes.add(n, True, dim == 0)
            return self.named[n]
        if n is None:
            where, count = f"{name}[{dim}]", 1
            while where in self.sizes.now:  # of another placeholder of that name
                count += 1
                where = f"{name}[{dim}]#{count}"
            return self.sizes.add(where, False, dim == 0)
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise ValueError(f"placeholder: expected sizes, None or names of sizes, got {n!r}")
        return int(n)


def _over() -> None:
    with modes.lock:
        modes.state.building -= 1


_thread = threading.local()


def _current() -> Build:
    """The graph that this thread builds."""
    reference = getattr(_thread, "build", None)
    build = reference() if reference is not None else None
    if build is None:
        build = Build()
        _thread.build = weakref.ref(build)
    return build


def placeholder(
    shape: Sequence[int | str | None] | int, dtype: Any = "float32", name: str | None = None
) -> Tensor:
    """A symbol for an array that will be fed: ops and modules on it build a graph.

    shape: sizes. None leaves one open: it may turn out to be another size, or a number, by what is
        done with it. A string names a size that is left open; the same name is the same size.
    dtype: as for tensors.
    name: by which it is fed; `input0`, ... unless given.

    Shapes and dtypes are checked while the graph is built, sizes left open included: an error names
    the op, the shapes, and the line of the program. `static.compile` makes a function of it.

    A size that is left open does not count as 1: it is not broadcast or squeezed away. It may be 1
    when it is fed, unless an op cannot have that.

    >>> import pyautograd as ag
    >>> x = ag.static.placeholder(("N", 3), "float32", name="x")
    >>> f = ag.static.compile(x, (x * 2.0).sum(dim=1))
    >>> f(ag.ones(2, 3))
    tensor([6., 6.])
    >>> f.graph.print()
    t1: float32[N, 3] = mul(x, 2.0)
    t2: float32[N] = sum(t1, (1,), False, 1.0)
    return t2
    """
    build = _current()
    count = len(build.tracer.graph.inputs)
    name = f"input{count}" if name is None else name
    if not isinstance(name, str) or not name:
        raise TypeError(f"placeholder: expected a name, got {name!r}")
    shape = (shape,) if isinstance(shape, (int, str)) or shape is None else tuple(shape)
    sizes = tuple([build.size(n, name, d) for d, n in enumerate(shape)])
    value = build.tracer.input(sizes, as_dtype(dtype), name)
    return Symbolic(wrap(value), build, value)


def compile(inputs: Any, outputs: Any) -> GraphFunction:
    """A function of a graph that was built of placeholders.

    inputs: placeholders, one or a sequence, in the order of the function's arguments.
    outputs: what it returns: a symbol, or nested tuples, lists and dicts of symbols.

    Calling the function does what has been built so far from these inputs: it computes the outputs,
    and makes the changes that were put into the graph (`optimizer.step()`, running statistics, the
    `grad` of parameters after `backward()`). So compile what only evaluates before the training
    step is built. Parameters, buffers and an optimiser's settings are read anew in each call.
    Afterwards the gradients of parameters are what they were before the graph was built.

    Raises GraphError where the outputs depend on a placeholder that is not among the inputs.

    >>> import pyautograd as ag
    >>> from pyautograd import nn
    >>> x = ag.static.placeholder((None, 2), name="x")
    >>> y = ag.static.placeholder((None,), "int64", name="y")
    >>> model = nn.Linear(2, 3)
    >>> optimizer = ag.optim.SGD(model.parameters(), lr=0.5)
    >>> loss = nn.functional.cross_entropy(model(x), y)
    >>> evaluate = ag.static.compile([x, y], {"loss": loss})
    >>> loss.backward()
    >>> optimizer.step()
    >>> train = ag.static.compile([x, y], loss)
    >>> feed = {"x": ag.ones(4, 2), "y": ag.tensor([0, 1, 0, 0])}
    >>> before = train(feed)
    >>> bool(evaluate(feed)["loss"] < before)
    True
    """
    if callable(inputs) and not isinstance(inputs, Tensor):
        raise TypeError(
            "compile: expected placeholders and outputs; pyautograd.compile takes a function"
        )
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(given):
        if not isinstance(x, Symbolic) or x.fed is None:
            raise TypeError(f"compile: input {i} is no placeholder, but {x!r}")
    found = leaves(outputs)
    for i, y in enumerate(found):
        if not isinstance(y, Symbolic):
            raise TypeError(f"compile: output {i} is no symbol of the graph, but {y!r}")
    if not found and not given:
        raise ValueError("compile: expected inputs or outputs")
    build: Any = (given or found)[0].graph
    values: list[Any] = [x.fed for x in given]
    names = [x.source.name for x in values]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"compile: two inputs are called {name!r}")
    build._exchange_grads(build.inside)
    with modes.tracing(build.tracer), watch_ops(build.tracer._call):
        build.tracer.finish()
    grads = list(build.tracer.leaves.values())
    build.tracer.restore()
    build.tracer.leaves = {}
    graph = part_of(
        build.tracer.graph, values, [build.inside(y)._array for y in found], build.causes
    )
    graph.sizes = build.sizes
    graph.tree = rebuild(outputs, iter([Place(i) for i in range(len(found))]))
    changed = {id(c.operands[0].source) for c in graph.calls if c.name == "write"}
    kept = [leaf for leaf in grads if leaf.after is None or id(leaf.after._array) in changed]
    read = [t for module, _ in build.tracer.modules.values() for t in own_tensors(module)]
    return GraphFunction(graph, build.sizes, kept, read)
