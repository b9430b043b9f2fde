"""A plan: native steps over one arena, with calls of Python between them where it must be."""

from __future__ import annotations

import threading
from itertools import pairwise
from time import perf_counter_ns
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.static.graph import Value
from pyautograd.static.notes import StepNote

Stamp = tuple[StepNote, int, int]  # a step, when it began and ended, in ns of `perf_counter_ns`


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
        self._counts = "step" in optimizer._required
        self.params = [p for group in chosen for p in group]
        self._groups: Any = None  # settings that the step is bound with
        self._state: Any = None
        self._token = object()
        self._work: Any = None  # what it was bound to, until the optimiser has kept its state

    def prepare(self) -> None:
        """Before a run: sees to it that the step has the settings and the state of now."""
        optimizer = self.optimizer
        current = optimizer.state is self._state and optimizer.stepped_by is self._token
        if current and optimizer.param_groups == self._groups:
            return  # else the numbers of steps that it was bound with are not those of now
        groups = [{**group, "params": [*group["params"]]} for group in optimizer.param_groups]
        self._groups = None
        work = list(map(optimizer._prepare, optimizer.param_groups, self._chosen))
        try:
            self.bound.bind(optimizer._kernel.__name__, work)
        except (TypeError, ValueError) as error:
            raise optimizer._misfit() or error from None
        self._groups, self._state, self._work = groups, optimizer.state, work

    def done(self) -> None:
        """After a run: the optimiser's account of it."""
        optimizer = self.optimizer
        optimizer.stepped_by = self._token
        if self._work is not None:
            for params, work in zip(self._chosen, self._work, strict=True):
                optimizer._keep(params, work)
            self._work = None
        elif self._counts:
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


class PythonUpdate(PythonStep):
    """The step of an optimiser without a kernel, over the parameters that it chose."""

    def __init__(self, call: Any) -> None:
        super().__init__(call, [], [])  # it reads gradients, which are outside of the plan

    def run(self, arrays: list[Any]) -> None:
        optimizer, chosen = self.call.attrs
        optimizer._update(chosen)


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
    """What `lower` makes of a graph. Runs are one at a time: they share the arena.

    The native plan is handed the inputs, then the random numbers of the run. `ready` are the parts
    that come first, whose results are kept from run to run: see ready.py.
    """

    def __init__(
        self,
        native: Any,
        ready: list[Any],
        parts: list[Any],
        optimizers: list[OptimizerStep],
        slots: list[Slot],
        results: list[int],
        arena_bytes: int,
        notes: list[StepNote],
    ) -> None:
        self._native = native
        self.ready, self.parts = ready, parts
        self.watch: Any = None  # tells whether what `ready` has computed still holds
        self._first = max([p[1] for p in ready if isinstance(p, tuple)], default=0)
        self._ready_count = sum(p[1] - p[0] if isinstance(p, tuple) else 1 for p in ready)
        self.optimizers = optimizers
        self.arena_bytes = arena_bytes
        # What lies in the arena: (offset, bytes, layout, first and last step that needs it).
        self.places: list[tuple[int, int, str, int, int]] = []
        self.notes = notes  # of the steps, in the order of `ready` and `parts`
        self.name = "plan"
        arena = native.arena()
        for part in [*ready, *parts]:
            if isinstance(part, PythonStep):
                part.bind(arena, slots)
        self._draws = [slot.source.draw for slot in slots if slot.kind == "draw"]
        made = [i for i, slot in enumerate(slots) if slot.kind == "result"]
        self._made = [(slots[i].shape, slots[i].dtype) for i in made]
        self._in_order = [slot - 1 for slot in results] == made
        self._results = [made.index(slot - 1) for slot in results]
        self._has_python = any(isinstance(part, PythonStep) for part in [*ready, *parts])
        self._lock = threading.Lock()
        drawn = 0
        sources: list[Any] = []
        inputs = 1 + max([s.source.number for s in slots if s.kind == "input"], default=-1)
        for slot in slots:
            if slot.kind == "array":
                sources.append(slot.source)
            elif slot.kind == "input":
                sources.append(slot.source.number)
            elif slot.kind == "draw":
                sources.append(inputs + drawn)
                drawn += 1
            else:
                sources.append((slot.dtype.num, slot.shape))
        self._input_count = inputs
        self._sources = sources
        native.set_slots(sources)

    def __len__(self) -> int:
        return len(self._native)

    def run(self, inputs: list[Any], stamps: list[Stamp] | None = None) -> list[Any]:
        """The arrays of the graph's results, new ones; inputs are C-contiguous arrays.

        With `stamps`, puts there the steps that were run, and when each began and ended.
        """
        with self._lock:
            if self._draws:
                inputs = inputs[: self._input_count] + [draw() for draw in self._draws]
            for step in self.optimizers:
                step.prepare()
            is_ready = self.watch is None or self.watch.holds()
            if self._has_python or stamps is not None:
                made = self._run_parts(inputs, is_ready, stamps)
            else:
                made = self._native.run(inputs, self._first if is_ready else 0)
            if not is_ready:
                self.watch.computed()
            for step in self.optimizers:
                step.done()
        return made if self._in_order else [made[i] for i in self._results]

    def run_timed(self, inputs: list[Any]) -> tuple[list[Any], list[tuple[str, float]]]:
        """As `run`, and the name and the seconds of each step, in their order."""
        stamps: list[Stamp] = []
        results = self.run(inputs, stamps)
        return results, [(note.name, (end - start) * 1e-9) for note, start, end in stamps]

    def _run_parts(
        self, inputs: list[Any], is_ready: bool, stamps: list[Stamp] | None
    ) -> list[Any]:
        made = [np.empty(shape, dtype) for shape, dtype in self._made]
        new = iter(made)
        arrays = [
            source
            if isinstance(source, np.ndarray)
            else inputs[source]
            if isinstance(source, int)
            else next(new)
            for source in self._sources
        ]
        parts = self.parts if is_ready else [*self.ready, *self.parts]
        notes = iter(self.notes[self._ready_count if is_ready else 0 :])
        for part in parts:
            if isinstance(part, PythonStep):
                start = perf_counter_ns()
                part.run(arrays)
                if stamps is not None:
                    stamps.append((next(notes), start, perf_counter_ns()))
            elif stamps is None:
                self._native.run_part(part[0], part[1], inputs, made, None)
            else:  # one step follows the other at once
                seconds = np.zeros(len(self._native))
                start = perf_counter_ns()
                self._native.run_part(part[0], part[1], inputs, made, seconds)
                ends = start + (seconds[slice(*part)].cumsum() * 1e9).astype(np.int64)
                times = pairwise([start, *ends.tolist()])
                stamps += [(next(notes), *pair) for pair in times]
        return made
