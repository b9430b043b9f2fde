"""A plan: native steps over one arena, with calls of Python between them where it must be."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from pyautograd.static.graph import Value


class Slot:
    """An array that a run is handed: of the program, an input, random numbers, or a result."""

    __slots__ = ("dtype", "kind", "shape", "source")

    def __init__(self, kind: str, source: Any, shape: tuple[int, ...], dtype: Any) -> None:
        self.kind = kind  # "array", "input", "draw" or "result"
        self.source = source
        self.shape = shape
        self.dtype = dtype


class PythonStep:
    """A call of an op's forward, or an optimiser's step."""

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
        if call.name == "optimizer":
            optimizer, chosen = call.attrs
            optimizer.update(chosen)
            return
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
        slots: list[Slot],
        results: list[int],
        arena_bytes: int,
    ) -> None:
        self._native = native
        self.parts = parts
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
            for part in self.parts:
                if type(part) is tuple:
                    self._native.run(part[0], part[1], arrays)
                else:
                    part.run(arrays)
        return [arrays[slot] for slot in self._results]
