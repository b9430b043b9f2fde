"""`compile`: functions of tensors as plans, one for each kind of arguments."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.func.pytree import is_leaf, leaves, rebuild, tree_map
from pyautograd.graph import GraphError
from pyautograd.modes import is_grad_enabled, state
from pyautograd.nn.module import Module
from pyautograd.static.graph import Value
from pyautograd.static.joint import Joint, PlannedFunction, leads_back
from pyautograd.static.lower import lower
from pyautograd.static.passes import PASSES
from pyautograd.static.trace import Tracer
from pyautograd.tensor import Tensor, wrap

LARGEST_CACHE = 32  # plans of one function
OFTEN = 8  # traces after which a function is told to be traced often


def compile(function: Callable[..., Any]) -> Compiled:
    """A function of tensors, or a module, that runs as a plan: a list of native steps.

    The first call with arguments of new shapes, dtypes or Python values traces the function: it
    runs once, computing nothing, and what it does to tensors becomes the plan. That may be a whole
    training step: modules, `backward`, `optimizer.step()`, dropout, running statistics. Later calls
    run the plan, and no Python of the function.

    What the plan takes from outside is read anew in each run: parameters, buffers, an optimiser's
    state and settings. Python values other than the arguments, and the function's own globals and
    closure, are read once, and so are things that happen beside (printing).

    Raises GraphError where Python asks for the values of a tensor (`item()`, `if tensor:`).

    >>> import pyautograd as ag
    >>> @ag.compile
    ... def f(x, y):
    ...     return (x * y + y).tanh() * y
    >>> f(ag.ones(2), ag.zeros(2))
    tensor([0., 0.])
    """
    return Compiled(function)


class Compiled:
    """What `compile` returns; called like the function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"compile: expected a function, got {type(function).__name__}")
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self._programs: dict[Any, list[Program]] = {}
        self._outside = _outside(function)
        self._traced = 0
        self._last: Program | None = None  # of the last call
        self._latest: Program | None = None  # that was traced

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.tracing and modes.tracer() is not None:
            return self.function(*args, **kwargs)  # part of a larger graph
        last = self._last
        if last is not None and not kwargs and last.fits():
            arrays = last.arrays(args)
            if arrays is not None:
                return last.run(arrays)
        flat = list(args) if not kwargs else [args, kwargs]
        key: list[Any] = [is_grad_enabled()]
        inputs: list[Tensor] = []
        for x in flat:
            _describe(x, key, inputs)
        for read in self._outside:
            key.append(read())
        found = self._programs.get(tuple(key))
        if found is not None:
            for program in found:
                if program.fits():
                    self._remember(program, args, kwargs)
                    return program.run([_plain(x) for x in inputs])
        return self._trace(args, kwargs, tuple(key), inputs)

    def __getattr__(self, name: str) -> Any:
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _remember(self, program: Program, args: Any, kwargs: Any) -> None:
        """Makes the program the first to be tried, where its arguments are tensors alone."""
        simple = not kwargs and not self._outside and all(map(_is_input, args))
        self._last = program if simple else None

    def explain(self) -> str:
        """What the last traced program became: its graph, the passes, the plan's size."""
        return self._latest.explain() if self._latest else "not traced yet: call it once"

    def _trace(self, args: Any, kwargs: Any, key: Any, inputs: list[Tensor]) -> Any:
        before = self._programs.setdefault(key, [])
        known = tuple(
            {
                id(t): t for p in before for leaf in p.leaves if (t := leaf.tensor()) is not None
            }.values()
        )
        program = Program(self.function, args, kwargs, inputs, known)
        result = program.run([_plain(x) for x in inputs])
        before.insert(0, program)
        self._latest = program
        self._traced += 1
        if self._traced == OFTEN:
            warnings.warn(
                f"compile: {getattr(self.function, '__name__', 'the function')} was traced "
                f"{OFTEN} times, the last time for {_described(inputs)}: each new shape, dtype or "
                "Python value of an argument makes a plan",
                UserWarning,
                stacklevel=3,
            )
        plans = sum(map(len, self._programs.values()))
        while plans > LARGEST_CACHE:
            oldest = next(iter(self._programs))
            plans -= len(self._programs.pop(oldest))
        return result


def _described(inputs: list[Tensor]) -> str:
    return ", ".join(f"{x.dtype}{list(x.shape)}" for x in inputs) or "no tensors"


def _plain(x: Tensor) -> Any:
    """The array of a tensor, as a plan takes it."""
    array = x._array
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _outside(function: Any) -> list[Callable[[], Any]]:
    """How to read what a function's own code takes from its globals and closure."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    plain = (int, float, str, bool, type(None))
    readers: list[Callable[[], Any]] = []
    for cell in function.__closure__ or ():
        try:
            if isinstance(cell.cell_contents, plain):
                readers.append(functools.partial(getattr, cell, "cell_contents", None))
        except ValueError:
            pass  # not set yet
    names = function.__globals__
    for name in code.co_names:
        if isinstance(names.get(name), plain) and name in names:
            readers.append(functools.partial(names.get, name))
    return readers


def _describe(x: Any, key: list[Any], inputs: list[Tensor]) -> None:
    """Adds to the key what a plan depends on, and to the inputs the tensors that a run takes."""
    kind = type(x)
    if _is_input(x):
        key += (x.shape, x.dtype)
        inputs.append(x)
    elif not is_leaf(x):
        key.append((kind, len(x), tuple(x) if isinstance(x, dict) else None))
        for child in x.values() if isinstance(x, dict) else x:
            _describe(child, key, inputs)
    elif isinstance(x, np.ndarray):
        raise TypeError("compile: an argument is a NumPy array; pass ag.from_numpy(array)")
    elif isinstance(x, (Tensor, Module)):
        key.append(_Same(x))  # a place on the tape belongs to one tensor
    else:
        try:
            hash(x)
            key.append((kind, x))
        except TypeError:
            key.append(_Same(x))


class _Same:
    """Equal to itself only, and keeps the object alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


def _is_input(x: Any) -> bool:
    """Whether a run is handed the values of x; other arguments are part of the program."""
    return type(x) is Tensor and x._node is None


class Program:
    """A function traced for one kind of arguments: its graph, its plan, and when that fits."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Any,
        kwargs: Any,
        inputs: list[Tensor],
        known: tuple[Tensor, ...],
    ) -> None:
        start = time.perf_counter()
        self.grad_enabled = is_grad_enabled()
        # Arrays of the inputs' layouts, which take no memory.
        self._like = tuple([np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in inputs])
        tracer = Tracer(known)
        made = [wrap(tracer.input(x.shape, x.dtype, f"input{i}")) for i, x in enumerate(inputs)]
        handed = [x._array for x in made]
        rest = iter(made)
        args, kwargs = tree_map(lambda x: next(rest) if _is_input(x) else x, (args, kwargs))
        try:
            with tracer:
                result = function(*args, **kwargs)
                for i, (x, value) in enumerate(zip(made, handed, strict=True)):
                    if x._array is not value:
                        raise GraphError(
                            f"compile: the function changes its argument {i} (tensors counted from "
                            "0) in place; return the new value instead"
                        )
                tracer.finish()
                outputs = [
                    y
                    for y in leaves(result)
                    if isinstance(y, Tensor) and isinstance(y._array, Value)
                ]
                taped = [y for y in outputs if leads_back(y)]
                self.joint = Joint(tracer, taped) if taped else None
        finally:
            tracer.restore()
        self.graph = tracer.graph
        self._result = result
        self.graph.results = [y._array for y in outputs]
        on_tape = {id(y) for y in taped}
        self.on_tape = [i for i, y in enumerate(outputs) if id(y) in on_tape]
        # The place of each tensor among the results, or what is returned as it is.
        places = {id(y): i for i, y in reversed(list(enumerate(outputs)))}
        self._outputs = [_Place(places[id(y)]) if id(y) in places else y for y in leaves(result)]
        self._single = isinstance(result, Tensor) and len(outputs) == 1
        self.traced = self.graph.text()
        graphs = [self.graph]
        if self.joint is not None:
            graphs.append(self.joint.split(self.graph))
        self.notes = [p(graph) for graph in graphs for p in PASSES]
        self.plan, *others = map(lower, graphs)
        self.gradients = others[0] if others else None
        self.plan.name = getattr(function, "__name__", type(function).__name__)
        for plan in others:
            plan.name = f"{self.plan.name}, gradients"
        self.leaves = list(tracer.leaves.values())
        self._watch(tracer)
        self.seconds = time.perf_counter() - start

    def _watch(self, tracer: Tracer) -> None:
        self._modules = list(tracer.modules.values())
        tensors = {
            id(t): t
            for module, _ in self._modules
            for t in (*module._parameters.values(), *module._buffers.values())
            if t is not None
        }
        for leaf in self.leaves:
            t = leaf.tensor()
            if t is not None:
                tensors[id(t)] = t
        self._tensors = [(t, t._array, t.requires_grad) for t in tensors.values()]
        self._layouts = state.layouts
        # Gradients that the program reads must be those that it read when it was traced.
        self._grads = [(leaf.tensor, leaf.before) for leaf in self.leaves if not leaf.cleared]
        self._left = [
            (t, None if leaf.ends_without else leaf.after)
            for leaf in self.leaves
            if (leaf.after is not None or leaf.ends_without) and (t := leaf.tensor()) is not None
        ]
        kept = {id(leaf.after._array) for leaf in self.leaves if leaf.after is not None}
        written = [
            call.operands[0].source
            for call in self.graph.calls
            if call.name == "write" and id(call.operands[0].source) not in kept
        ] + [p._array for step in self.plan.optimizers for p in step.params]
        self._written = modes.changed_together(written, "compile") if written else None

    def fits(self) -> bool:
        """Whether the program would be traced the same now, as far as can be told."""
        for tensor, before in self._grads:
            t = tensor()
            if t is not None and t.grad is not before:
                return False
        if self._layouts != state.layouts:
            for module, training in self._modules:
                if module.training is not training:
                    return False
            for t, array, requires_grad in self._tensors:
                if t._array is not array or t.requires_grad is not requires_grad:
                    return False
            self._layouts = state.layouts
        return True

    def arrays(self, args: tuple[Any, ...]) -> list[Any] | None:
        """The arrays of plain arguments, if they are what the program was traced for."""
        if is_grad_enabled() is not self.grad_enabled:
            return None
        return _C.matching_arrays(args, self._like, Tensor)

    def run(self, arrays: list[Any]) -> Any:
        """Runs the plan on the arrays of the inputs, C-contiguous."""
        before = [tensor.grad for tensor, _ in self._left]
        for tensor, grad in self._left:
            tensor.grad = grad
        try:
            if self.joint is not None:
                tensors = PlannedFunction.apply(self, arrays, *self.joint.leaves)
            else:
                tensors = [wrap(y) for y in self.plan.run(arrays)]
        except BaseException:
            for (tensor, _), grad in zip(self._left, before, strict=True):
                tensor.grad = grad
            raise
        if self._written is not None:
            self._written.mark()
        if self._single:
            return tensors[0]
        return rebuild(
            self._result,
            iter([tensors[y.number] if isinstance(y, _Place) else y for y in self._outputs]),
        )

    def explain(self) -> str:
        native = sum(b - a for a, b in (p for p in self.plan.parts if isinstance(p, tuple)))
        python = [p.call.name for p in self.plan.parts if not isinstance(p, tuple)]
        lines = [
            "as traced:", self.traced, "", *self.notes, "", "after the passes:", self.graph.text(),
            "",
            f"plan: {native} native steps" + (
                f", {len(python)} calls of Python: {', '.join(python)}" if python else ""
            ),
            f"arena: {self.plan.arena_bytes:,} bytes",
            f"traced and compiled in {self.seconds * 1e3:.1f} ms",
        ]  # fmt: skip
        return "\n".join(lines)


class _Place:
    """A tensor that the function returns: which of the plan's results it is."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number
