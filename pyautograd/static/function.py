"""`compile`: functions of tensors as plans, one for each kind of arguments."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import modes
from pyautograd.func.pytree import children_of, is_leaf, leaves
from pyautograd.modes import is_grad_enabled, state
from pyautograd.nn.module import Module
from pyautograd.op import Stand, graph_of
from pyautograd.static.program import (
    InputGradError,
    Program,
    Variant,
    is_input,
    is_taped,
)
from pyautograd.tensor import Tensor

LARGEST_CACHE = 32  # plans of one function
_STEPWISE = 0x20 | 0x80 | 0x200  # of inspect: generators, coroutines, asynchronous generators
OFTEN = 8  # traces after which a function is told to be traced often


def compile(function: Callable[..., Any] | None = None, *, dynamic_batch: bool = False) -> Any:
    """A function of tensors, or a module, that runs as a plan: a list of native steps.

    The first call with arguments of new shapes, dtypes or Python values traces the function: it
    runs once, computing nothing, and what it does to tensors becomes the plan. That may be a whole
    training step: modules, `backward`, `optimizer.step()`, dropout, running statistics. Later calls
    run the plan, and no Python of the function.

    What the plan takes from outside is read anew in each run: parameters, buffers, an optimiser's
    state and settings. (What follows from parameters alone is computed when one has changed; if its
    memory was handed out, by `numpy()` say, in each run.) Where something else has changed that the
    function would notice, it is traced again: globals and variables of its closure, the attributes
    and keys of plain objects and dicts that its code names, modules (layers, attributes, hooks),
    groups of parameters. Other Python values are read once, and what happens beside (printing)
    happens once. Results are new tensors: none shares memory with another, or with an argument.

    dynamic_batch: the size of dimension 0 of the first tensor, and of every other tensor whose
        dimension 0 has that size, may change between calls without a new trace: the graph is made
        for any batch, and a plan of it for each size that comes (the last 32 are kept). Where
        Python needs to know the size (`if x.shape[0] > 64`), what it was told becomes a condition,
        and a size for which it is not met is traced anew. Batches of 0 and 1 are traced by
        themselves.

    Of a module, what is returned is a module of the same class that shares all the other has.

    `@compile` and `@compile(dynamic_batch=True)` both work. Raises GraphError where Python asks for
    the values of a tensor (`item()`, `if tensor:`).

    >>> import pyautograd as ag
    >>> @ag.compile
    ... def f(x, y):
    ...     return (x * y + y).tanh() * y
    >>> f(ag.ones(2), ag.zeros(2))
    tensor([0., 0.])
    """
    if function is None:
        return functools.partial(compile, dynamic_batch=dynamic_batch)
    if isinstance(function, Module):
        return compiled_module(function, dynamic_batch)
    return Compiled(function, dynamic_batch)


class Compiled:
    """What `compile` returns; called like the function."""

    def __init__(self, function: Callable[..., Any], dynamic_batch: bool = False) -> None:
        if not callable(function):
            raise TypeError(f"compile: expected a function, got {type(function).__name__}")
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & _STEPWISE:
            raise TypeError(
                "compile: expected a function that returns, got one that yields or awaits"
            )
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.dynamic_batch = dynamic_batch
        self._programs: dict[Any, list[Program]] = {}
        self._traced = 0
        self._last: Variant | None = None  # of the last call
        self._latest: Variant | None = None  # the one made last
        self._takes_taped = True  # whether arguments with gradients are inputs of plans
        self._reason = ""  # why the latest program does not serve every batch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.tracing and modes.tracer() is not None:
            return self.function(*args, **kwargs)  # part of a larger graph
        if state.building and graph_of((args, kwargs)) is not None:
            return self.function(*args, **kwargs)  # of symbols
        last = self._last
        if last is not None and not kwargs and last.program.fits():
            arrays = last.arrays(args)
            if arrays is not None:
                return last.run(arrays)
        flat = list(args) if not kwargs else [args, kwargs]
        key: list[Any] = [is_grad_enabled()]
        inputs: list[Tensor] = []
        for x in flat:
            self._describe(x, key, inputs)
        batch = _batch(inputs) if self.dynamic_batch else None
        if batch is not None:
            key = [_any_batch(x, batch) for x in key]
        for program in self._programs.get(tuple(key), ()):
            if program.fits() and (variant := self._variant(program, batch)) is not None:
                self._remember(variant, args, kwargs)
                return variant.run([_plain(x) for x in inputs], inputs)
        if any(isinstance(x, Stand) for x in leaves(flat)):
            return self.function(*args, **kwargs)  # under vmap or jvp
        try:
            return self._trace(args, kwargs, tuple(key), inputs, batch)
        except InputGradError:
            self._takes_taped = False  # what it was computed from is part of the program, too
        return self(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def __reduce__(self) -> Any:
        """As the function: a copy makes its own plans."""
        if _global_called(self.__module__, self.__qualname__) is self:
            return self.__qualname__
        return Compiled, (self.function, self.dynamic_batch)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _describe(self, x: Any, key: list[Any], inputs: list[Tensor]) -> None:
        """Adds to the key what a plan depends on, to the inputs the tensors that a run takes."""
        kind = type(x)
        if is_input(x) or (self._takes_taped and is_taped(x)):
            key += (x.shape, x.dtype, x._node is None)
            inputs.append(x)
        elif not is_leaf(x):
            children = children_of(x)
            key.append((kind, len(children), tuple(x) if isinstance(x, dict) else None))
            for child in children:
                self._describe(child, key, inputs)
        elif isinstance(x, np.ndarray):
            raise TypeError("compile: an argument is a NumPy array; pass ag.from_numpy(array)")
        elif isinstance(x, (Tensor, Module)):
            key.append(_Same(x))  # a place on the tape belongs to one tensor
        else:
            try:
                hash(x)
                # Floats as text: -0.0 is not 0.0, and one nan is another.
                key.append((kind, repr(x) if isinstance(x, (float, np.floating)) else x))
            except TypeError:
                key.append(_Same(x))

    def _remember(self, variant: Variant, args: Any, kwargs: Any) -> None:
        """Makes the plan the first to be tried, where its arguments are tensors alone."""
        simple = not kwargs and all(map(is_input, args))
        self._last = variant if simple else None

    def _variant(self, program: Program, batch: int | None) -> Variant | None:
        """The plan of a program for a batch; None where the program does not serve it."""
        found = program.variants.get(batch)
        if found is None:
            found = program.variant(batch)
            if found is not None:
                self._latest = found
                self._make_room(program)
        return found

    def explain(self, verbose: bool = False) -> str:
        """What the function became for the arguments that were last new to it.

        The graph as traced and after the passes, what was fused and why not, the memory of the plan
        against that of eager code, and the time it took. With `verbose` also what each pass
        changed, and the map of the arena: what lies where, from which step to which.
        """
        return self._latest.explain(verbose) if self._latest else "not traced yet: call it once"

    def _trace(
        self, args: Any, kwargs: Any, key: Any, inputs: list[Tensor], batch: int | None
    ) -> Any:
        before = self._programs.setdefault(key, [])
        known = tuple(
            {
                id(t): t for p in before for leaf in p.leaves if (t := leaf.tensor()) is not None
            }.values()
        )
        self._reason = next((f"; {why}" for p in before if (why := p.reason())), self._reason)
        program = self._program(args, kwargs, inputs, known, before, batch)
        variant = program.variants.get(batch) or program.variant(batch)
        assert variant is not None
        result = variant.run([_plain(x) for x in inputs], inputs)
        before.insert(0, program)
        self._latest = variant
        self._traced += 1
        if self._traced == OFTEN:
            warnings.warn(
                f"compile: {getattr(self.function, '__name__', 'the function')} was traced "
                f"{OFTEN} times, the last time for {_described(inputs)}: each new shape, dtype or "
                f"Python value of an argument makes a plan (of a tensor, only its layout does)"
                f"{self._reason}",
                UserWarning,
                stacklevel=3,
            )
        self._make_room(program)
        return result

    def _program(
        self,
        args: Any,
        kwargs: Any,
        inputs: list[Tensor],
        known: Any,
        before: list[Program],
        batch: int | None,
    ) -> Program:
        """The function traced: for any batch, where that is asked for and possible.

        before: what it was traced to earlier for arguments like these.
        """
        if batch is not None and not any(p.one_batch for p in before):
            for broken in [guard for p in before for guard in p.broken(batch)]:
                self._reason = f"; {broken} does not hold for a batch of {batch}"
            try:
                program = Program(self.function, args, kwargs, inputs, known, batch)
                if program.variant(batch) is not None:
                    return program
                self._reason = "; each batch size is traced by itself"
            except Exception as error:  # of the function itself, or because it needs the integer
                self._reason = f"; each batch size is traced by itself, because {error}"
        program = Program(self.function, args, kwargs, inputs, known)
        program.one_batch = batch
        return program

    def _make_room(self, kept: Program) -> None:
        """Drops the oldest plans above the limit, those of other programs first."""
        programs = [(p, key) for key, found in self._programs.items() for p in reversed(found)]
        excess = sum(len(p.variants) for p, _ in programs) - LARGEST_CACHE
        for program, key in sorted(programs, key=lambda entry: entry[0] is kept):
            while excess > 0 and program.variants:
                del program.variants[next(iter(program.variants))]
                excess -= 1
            if not program.variants:
                self._programs[key].remove(program)
                if not self._programs[key]:
                    del self._programs[key]


class CompiledModule:
    """What the class of a compiled module has before that of the module."""

    __slots__ = ()
    _plans: Compiled

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._plans(*args, **kwargs)

    def explain(self, verbose: bool = False) -> str:
        """What the module became: see `Compiled.explain`."""
        return self._plans.explain(verbose)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return compiled_module, (self._plans.function, self._plans.dynamic_batch)


def compiled_module(module: Module, dynamic_batch: bool) -> Any:
    """A module of the same class and state whose calls run plans."""
    module = compiled_of(module).function if isinstance(module, CompiledModule) else module
    kind = type(module)
    names = {"__slots__": ("_plans",), "__module__": kind.__module__}
    made: Any = object.__new__(type(kind.__name__, (CompiledModule, kind), names))
    object.__setattr__(made, "__dict__", vars(module))  # one state
    object.__setattr__(made, "_plans", Compiled(module, dynamic_batch))
    return made


def compiled_of(function: Any) -> Any:
    """What has the plans of a compiled function or module; other things as they are."""
    return function._plans if isinstance(function, CompiledModule) else function


def _global_called(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _batch(inputs: list[Tensor]) -> int | None:
    """The size of dimension 0 of the first tensor that has one, if a plan may leave it open."""
    for x in inputs:
        if x.ndim:
            return x.shape[0] if x.shape[0] > 1 else None
    return None


def _any_batch(part: Any, batch: int) -> Any:
    """A part of a key; of a shape, without the batch."""
    return ("batch", *part[1:]) if type(part) is tuple and part and part[0] == batch else part


def _described(inputs: list[Tensor]) -> str:
    return ", ".join(f"{x.dtype}{list(x.shape)}" for x in inputs) or "no tensors"


def _plain(x: Tensor) -> Any:
    """The array of a tensor, as a plan takes it."""
    array = x._array
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


class _Same:
    """Equal to itself only, and keeps the object alive."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value
