"""A plan: native steps over one arena, with calls of Python between them where it must be."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.static.graph import Value


class Slot:
    """An array that a run is handed: of the program, an input, random numbers, or a result."""

    __slots__ = ("dtype", "kind", "shape", "source")

    def __init__(self, kind: str, source: Any, shape: tuple[int, ...], dtype: Any) -> None:
        self.kind = kind  # "array", "input", "draw" or "result"
        self.source = source
        self.shape = shape
        self.dtype = dtype


class OptimizerStep:
    """An optimiser's step over the parameters that it chose in each group."""

    def __init__(self, optimizer: Any, chosen: list[list[Any]]) -> None:
        self.optimizer = optimizer
        self.bound = _C.BoundOptimizer()
        self._chosen = chosen
        self.params = [p for group in chosen for p in group]
        self._groups: Any = None  # settings that the step is bound with
        self._state: Any = None
        self._work: Any = None  # what it was bound to, until the optimiser has kept its state

    def prepare(self) -> None:
        """Before a run: sees to it that the step has the settings and the state of now."""
        optimizer = self.optimizer
        groups = [tuple(group.values()) for group in optimizer.param_groups]
        if groups == self._groups and optimizer.state is self._state:
            return
        self._groups = None
        work = list(map(optimizer._prepare, optimizer.param_groups, self._chosen))
        self.bound.bind(optimizer._kernel.__name__, work)
        self._groups, self._state, self._work = groups, optimizer.state, work

    def done(self) -> None:
        """After a run: the optimiser's account of it."""
        optimizer = self.optimizer
        if self._work is not None:
            for params, work in zip(self._chosen, self._work, strict=True):
                optimizer._keep(params, work)
            self._work = None
        else:
            optimizer.count_steps(self.params)


class PythonStep:
    """A call of an op's forward."""

    def __init__(self, call: Any, inputs: list[Any], outputs: list[Any]) -> None:
        self.call = call
        self._homes = inputs, outputs

    def bind(self, arena: Any, slots: list[Slot]) -> None:
        """Makes the arrays of operands whose memory is the same in every run."""
        self._inputs, self._outputs = (
            [_Operand(home, arena, slots) for home in homes] for homes in self._homes
        )

    def run(self, arrays: list[Any]) -> None:
        call = self.call
        given = iter([x.array(arrays) for x in self._inputs])
        operands = [next(given) if isinstance(x, Value) else x for x in call.operands]
        args = [operands] if call.op.inputs < 0 else operands
        result = call.op.forward(*args, *call.attrs)
        for target, y in zip(
            self._outputs, result if type(result) is tuple else (result,), strict=True
        ):
            target.array(arrays)[...] = y


class _Operand:
    """The array of a home: the same in every run, or made anew over the array of its slot."""

    def __init__(self, home: Any, arena: Any, slots: list[Slot]) -> None:
        _, shape, strides, slot, offset = home.operand()
        self._slot = slot - 1
        self._layout = shape, home.layout.dtype
        self._place = offset, strides
        self._fixed = None
        if slot == 0:
            self._fixed = np.ndarray(*self._layout, arena, *self._place)
        elif slots[slot - 1].kind == "array":
            self._fixed = home.layout

    def array(self, arrays: list[Any]) -> Any:
        if self._fixed is not None:
            return self._fixed
        return np.ndarray(*self._layout, arrays[self._slot], *self._place)


class Plan:
    """What `lower` makes of a graph. Runs are one at a time: they share the arena."""

    def __init__(
        self,
        native: Any,
        parts: list[Any],
        optimizers: list[OptimizerStep],
        slots: list[Slot],
        results: list[int],
        arena_bytes: int,
    ) -> None:
        self._native = native
        self.parts = parts
        self.optimizers = optimizers
        self.arena_bytes = arena_bytes
        self.slots = slots
        arena = native.arena()
        for part in parts:
            if isinstance(part, PythonStep):
                part.bind(arena, slots)
        self._template = [slot.source if slot.kind == "array" else None for slot in slots]
        self._inputs = [
            (i, slot.source.number) for i, slot in enumerate(slots) if slot.kind == "input"
        ]
        self._draws = [(i, slot.source.draw) for i, slot in enumerate(slots) if slot.kind == "draw"]
        self._made = [
            (i, slot.shape, slot.dtype) for i, slot in enumerate(slots) if slot.kind == "result"
        ]
        self._results = [slot - 1 for slot in results]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._native)

    def run(self, inputs: list[Any]) -> list[Any]:
        """The arrays of the graph's results, new ones."""
        arrays = self._template.copy()
        for slot, number in self._inputs:
            arrays[slot] = inputs[number]
        for slot, shape, dtype in self._made:
            arrays[slot] = np.empty(shape, dtype)
        with self._lock:
            for slot, draw in self._draws:
                arrays[slot] = draw()
            for step in self.optimizers:
                step.prepare()
            for part in self.parts:
                if type(part) is tuple:
                    self._native.run(part[0], part[1], arrays)
                else:
                    part.run(arrays)
            for step in self.optimizers:
                step.done()
        return [arrays[slot] for slot in self._results]
