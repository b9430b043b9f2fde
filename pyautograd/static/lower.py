"""From a graph to a plan: where every value lies, and the steps that compute them.

Values live in one arena, at places that are used again when their last reader has run. Views share
the memory of what they view. A call becomes a native step; where the executor has none, the op's
forward is called by Python between two stretches of native steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.static.arena import lay_out, work_in_place
from pyautograd.static.graph import Call, Draw, Graph, Input, Value, is_view
from pyautograd.static.movement import copies_of, slices_of
from pyautograd.static.notes import StepNote, note_of
from pyautograd.static.plan import OptimizerStep, Plan, PythonStep, PythonUpdate, Slot
from pyautograd.static.ready import Ready, Watch
from pyautograd.static.step import Buffer, Home, Step, flatten
from pyautograd.static.targets import targets


def lower(graph: Graph) -> Plan:
    """The plan of a graph."""
    return _Lowering(graph).plan()


class _Lowering:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.homes: dict[Value, Home] = {}
        self.steps: list[Step] = []
        self.notes: list[StepNote] = []
        self.slots: list[Slot] = []
        self._buffers: list[Buffer] = []
        self._slot_of: dict[Any, Buffer] = {}
        self._placed = targets(graph)
        self._results: dict[Value, int] = {}  # slots
        self.ready = Ready(graph, self._placed)

    def plan(self) -> Plan:
        for x in self.graph.draws:
            self.home(x)  # slots in their order
        for call in self.ready.calls:
            self._lower(call)
            self._note(call)
        self.ready.steps, self.steps = self.steps, []
        self.ready.notes, self.notes = self.notes, []
        for call in self.graph.calls:
            if call not in self.ready.calls:
                self._lower(call)
                self._note(call)
        for y in dict.fromkeys(self.graph.results):
            self._result(y)
        self._note(None)
        steps = self.ready.steps + self.steps
        self._mark_lifetimes(steps)
        for i, step in enumerate(steps):
            if step.name == "program":
                work_in_place(i, step)
        own = [b for b in self._buffers if b.shared is None]
        size = lay_out(own)
        native = _C.Plan(size, len(self.slots) + 1)
        optimizers: list[OptimizerStep] = []
        ready = self._parts(self.ready.steps, native, optimizers)
        parts = self._parts(self.steps, native, optimizers)
        results = [self._results[y] for y in self.graph.results]
        notes = self.ready.notes + self.notes
        plan = Plan(native, ready, parts, optimizers, self.slots, results, size, notes)
        if self.ready.steps:
            plan.watch = Watch([x for step in self.ready.steps for x in self._read_from(step)])
        plan.places = [
            (b.at, b.memory.nbytes, f"{b.memory.dtype}{list(b.memory.shape)}", b.first, b.last)
            for b in own
            if b.first >= 0
        ]
        return plan

    def _read_from(self, step: Step) -> list[Any]:
        """The arrays of the program that a step reads."""
        slots = [self.slots[x.buffer.slot - 1] for x in step.read() if x.buffer.slot]
        return [slot.source for slot in slots if slot.kind == "array"]

    def _parts(self, steps: list[Step], native: Any, optimizers: list[OptimizerStep]) -> list[Any]:
        """Adds native steps to the plan; ranges of these, and the steps of Python between them."""
        parts: list[tuple[int, int] | PythonStep] = []
        for step in steps:
            if step.call is not None and step.name != "optimizer":
                parts.append(PythonStep(step.call, step.inputs, step.outputs))
                continue
            if step.call is not None and not _is_native_update(step.call, self.graph):
                parts.append(PythonUpdate(step.call))
                continue
            if step.call is not None:
                optimizers.append(OptimizerStep(*step.call.attrs))
                native.add_optimizer(optimizers[-1].bound)
            else:
                native.add(*step.native_call())
                if self._picks_by_input(step):
                    native.add_check(*step.native_call())
            end = len(native)
            if parts and isinstance(parts[-1], tuple):
                parts[-1] = (parts[-1][0], end)
            else:
                parts.append((end - 1, end))
        return parts

    def _note(self, call: Call | None) -> None:
        """Notes that the steps made since the last note are part of this call."""
        self.notes += [note_of(step, call) for step in self.steps[len(self.notes) :]]

    def _picks_by_input(self, step: Step) -> bool:
        """Whether positions of a step are an input: then errors are found before anything runs."""
        at = _POSITIONS.get(step.name)
        home = None if at is None else step.inputs[at]
        slot = 0 if home is None else home.buffer.slot
        return slot > 0 and self.slots[slot - 1].kind == "input"

    # ---- where values lie ------------------------------------------------------------------------

    def home(self, x: Value) -> Home:
        found = self.homes.get(x)
        if found is None:
            found = self.homes[x] = self._source_home(x)
        return found

    def _source_home(self, x: Value) -> Home:
        source = x.source
        key = id(source)
        buffer = self._slot_of.get(key)
        if buffer is None:
            memory = source if isinstance(source, np.ndarray) else np.empty(x.shape, x.dtype)
            buffer = self._slot_of[key] = self._slot(source, memory)
        return Home(buffer, buffer.memory)

    def _slot(self, source: Any, memory: Any) -> Buffer:
        kind = _KINDS.get(type(source), "array")
        self.slots.append(Slot(kind, source, memory.shape, memory.dtype))
        return Buffer(memory, len(self.slots))

    def new(self, shape: tuple[int, ...], dtype: Any) -> Home:
        buffer = Buffer(np.empty(shape, dtype))
        self._buffers.append(buffer)
        return Home(buffer, buffer.memory)

    def _out(self, y: Value) -> Home:
        """A place for what a step computes: that of the write or result it is for, or a new one."""
        target = self._placed.get(y)
        if target is None:
            home = self.new(y.shape, y.dtype)
        elif target == "result":
            buffer = self._slot(None, np.empty(y.shape, y.dtype))
            home = Home(buffer, buffer.memory)
        else:
            home = self.home(target)
        self.homes[y] = home
        return home

    # ---- calls -----------------------------------------------------------------------------------

    def _lower(self, call: Call) -> None:
        if call.name == "write":
            target, value = call.operands
            if self._placed.get(value) is not target:
                self._copy(self.home(value), self.home(target))
        elif call.name == "optimizer":
            self._python(call, [self.home(x) for x in call.values()], [])
        elif call.name == "program":
            self.steps.append(self._program(call))
        elif call.name == "epilogue":
            self._epilogue(call.attrs)
        elif call.name == "summed":
            self._summed(call.attrs)
        elif _computes_nothing(call):
            for y in call.outputs:
                self._out(y)
        elif call.name in ("index", "index_add"):
            if not self._indexed(call):
                self._fallback(call)
        elif not (self._alias(call) or self._moved(call) or self._native(call)):
            self._fallback(call)

    def _program(self, call: Call) -> Step:
        _, code, constants = call.attrs
        shape = call.outputs[0].shape
        inputs: list[Home | None] = [_broadcast(self.home(x), shape) for x in call.values()]
        ints = [n for instruction in code for n in instruction]
        outputs = [self._out(y) for y in call.outputs]
        step = Step("program", inputs, outputs, ints, list(constants))
        step.title = call.title
        return step

    def _epilogue(self, calls: tuple[Call, ...]) -> None:
        """A kernel with its program in one step, where it takes it."""
        kernel, *views, program = calls
        step = self._native_step(kernel)
        if step is None:
            for call in calls:
                self._lower(call)
            return
        for view in views:
            self._alias(view)
        tail = self._program(program)
        step.tail = tail
        if not _C.plan_takes(*step.native_call()):
            step.tail = None
            self.steps += [step, tail]
            return
        step.title = "+".join([kernel.title, tail.title])
        results = step.outputs[0].buffer
        register = next(
            i for i, x in enumerate(tail.inputs) if x is not None and x.buffer is results
        )
        for k, y in enumerate(tail.outputs):
            same = y.layout.nbytes == step.outputs[0].layout.nbytes
            if same and tail.may_overwrite(k, register):
                results.shared = y.buffer
                break
        self.steps.append(step)

    def _summed(self, calls: tuple[Call, ...]) -> None:
        """A sum with the program of what it adds up in one step, where that is worth it."""
        program, *views, total = calls
        tail = self._program(program)
        handed = self.home((views or [total])[0].operands[0])
        for view in views:
            self._alias(view)
        step = self._native_step(total)
        assert step is not None
        step.tail = tail
        step.ints.append([y.buffer for y in tail.outputs].index(handed.buffer))
        if _C.plan_takes(*step.native_call()):
            step.handed = handed.buffer
            step.title = "+".join([tail.title, total.title])
            self._buffers.remove(handed.buffer)
            self.steps.append(step)
            return
        step.tail = None
        step.ints.pop()
        self.steps += [tail, step]

    def _alias(self, call: Call) -> bool:
        """Whether the call only looks at its operand in another way."""
        if not is_view(call):
            return False
        assert call.op is not None
        x, y = self.home(call.operands[0]), call.outputs[0]
        view = call.op.forward(x.layout, *call.attrs)
        if not view.size or modes.owner(view) is modes.owner(x.layout):
            self.homes[y] = Home(x.buffer, view)
            return True
        copied = self._contiguous(x)  # a reshape of strides that do not allow it
        self.homes[y] = Home(copied.buffer, copied.layout.reshape(y.shape))
        return True

    def _moved(self, call: Call) -> bool:
        """Whether the call is made of copies into parts of its result."""
        copies = copies_of(call)
        if copies is None:
            return False
        y = self._out(call.outputs[0])
        if copies.background is not None:
            self._put(copies.background, y)
        for x, place in copies.parts:
            if copies.only is not None:
                home = self._contiguous(self.home(x))
                x = Home(home.buffer, copies.only(home.layout))
            self._put(x, Home(y.buffer, place(y.layout)))
        return True

    def _indexed(self, call: Call) -> bool:
        """Whether the call is a native step on slices at positions, with copies around it."""
        x, places = call.operands
        y = call.outputs[0]
        array = x if call.name == "index" else y
        slices = None if call.by_python else slices_of(call.attrs[0], array.ndim)
        if slices is None or (call.name == "index_add" and x.dtype.kind != "f"):
            return False
        at = self._contiguous(self.home(places))
        ints = [slices.dim, len(slices.dims), *slices.dims, *array.shape]
        if call.name == "index":
            home = self.home(x)
            source = self._contiguous(Home(home.buffer, slices.locate(home.layout)))
            self.steps.append(Step(call.name, [source, at], [self._out(y)], ints, []))
            return True
        part = slices.locate(np.empty(y.shape, y.dtype))
        to = self._out(y) if slices.whole else self.new(part.shape, y.dtype)
        self.steps.append(Step(call.name, [self._contiguous(self.home(x)), at], [to], ints, []))
        if not slices.whole:
            out = self._out(y)
            self._put(0, out)
            self._put(to, Home(out.buffer, slices.locate(out.layout)))
        return True

    def _native(self, call: Call) -> bool:
        step = self._native_step(call)
        if step is not None:
            self.steps.append(step)
        return step is not None

    def _native_step(self, call: Call) -> Step | None:
        """The native step of a call, with copies before it where it takes no other layouts."""
        ints: list[int] = []
        numbers: list[float] = []
        if call.by_python or not flatten(call.attrs, ints, numbers):
            return None
        if any(not isinstance(x, Value) and x is not None for x in call.operands):
            return None
        inputs = [None if x is None else self.home(x) for x in call.operands]
        trial = [Home(Buffer(a), a) for a in (np.empty(y.shape, y.dtype) for y in call.outputs)]
        if not _C.plan_takes(*Step(call.name, inputs, trial, ints, numbers).native_call()):
            if all(x is None or x.layout.flags.c_contiguous for x in inputs):
                return None
            plain = [x if x is None or x.layout.flags.c_contiguous else _like(x) for x in inputs]
            if not _C.plan_takes(*Step(call.name, plain, trial, ints, numbers).native_call()):
                return None
            inputs = [None if x is None else self._contiguous(x) for x in inputs]
        step = Step(call.name, inputs, [self._out(y) for y in call.outputs], ints, numbers)
        if call.name in ("conv2d", "linear"):
            self.ready.hand_weights(step, call, self)
        return step

    def _fallback(self, call: Call) -> None:
        inputs = [self.home(x) for x in call.values()]
        self._python(call, inputs, [self._out(y) for y in call.outputs])

    def _python(self, call: Call, inputs: list[Any], outputs: list[Home]) -> None:
        self.steps.append(Step(call.name, inputs, outputs, [], [], call))

    def _contiguous(self, x: Home) -> Home:
        if x.layout.flags.c_contiguous:
            return x
        home = self.new(x.layout.shape, x.layout.dtype)
        self._copy(x, home)
        return home

    def _put(self, x: Any, to: Home) -> None:
        """Copies a value or a number to a place, broadcast."""
        if isinstance(x, Value):
            x = self.home(x)
        elif not isinstance(x, Home):
            constant = np.full((), x, to.layout.dtype)
            x = self._source_home(Value((), constant.dtype, source=constant))
        more = x.layout.ndim - to.layout.ndim
        self._copy(Home(x.buffer, x.layout[(0,) * more]) if more > 0 else x, to)

    def _copy(self, x: Home, to: Home) -> None:
        self.steps.append(Step("copy", [_broadcast(x, to.layout.shape)], [to], [], []))

    def _result(self, y: Value) -> None:
        home = self.home(y)
        slot = home.buffer.slot
        if self._placed.get(y) == "result":
            self._results[y] = slot
            return
        buffer = self._slot(None, np.empty(y.shape, y.dtype))
        self._results[y] = buffer.slot
        self._copy(home, Home(buffer, buffer.memory))

    def _mark_lifetimes(self, steps: list[Step]) -> None:
        for i, step in enumerate(steps):
            for y in step.written():
                if y.buffer.first < 0:
                    y.buffer.first = i
            for x in step.homes():
                x.buffer.last = i
        for step in self.ready.steps:  # from one run to the next
            for y in step.written():
                y.buffer.first, y.buffer.last = 0, len(steps)


def _is_native_update(call: Call, graph: Graph) -> bool:
    """Whether the executor makes an optimiser's step: what is bound before a run serves one."""
    optimizer = call.attrs[0]
    steps = [c for c in graph.calls if c.name == "optimizer" and c.attrs[0] is optimizer]
    return optimizer.has_kernel and len(steps) == 1


def _like(x: Home) -> Home:
    memory = np.empty(x.layout.shape, x.layout.dtype)
    return Home(Buffer(memory, x.buffer.slot), memory)


def _broadcast(x: Home, shape: tuple[int, ...]) -> Home:
    return x if x.layout.shape == shape else Home(x.buffer, np.broadcast_to(x.layout, shape))


def _computes_nothing(call: Call) -> bool:
    """Whether the results have no elements, and nothing can be wrong with the operands."""
    plain = call.op is not None and not call.op.view and call.op.kind != "movement"
    return plain and not any(y.size for y in call.outputs)


# Which operand of a step holds positions or classes.
_POSITIONS = {
    "cross_entropy": 1, "embedding": 1, "gather": 1, "index": 1, "scatter": 2, "scatter_add": 1,
}  # fmt: skip
_KINDS = {Input: "input", Draw: "draw", type(None): "result"}
