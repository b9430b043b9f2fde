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
from pyautograd.static.notes import StepNote, note_of
from pyautograd.static.plan import OptimizerStep, Plan, PythonStep, PythonUpdate, Slot
from pyautograd.static.step import Buffer, Home, Step


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
        self._placed = _placements(graph)
        self._results: dict[Value, int] = {}  # slots

    def plan(self) -> Plan:
        for x in self.graph.draws:
            self.home(x)  # slots in their order
        for call in self.graph.calls:
            self._lower(call)
            self._note(call)
        for y in dict.fromkeys(self.graph.results):
            self._result(y)
        self._note(None)
        self._mark_lifetimes()
        for i, step in enumerate(self.steps):
            if step.name == "program":
                work_in_place(i, step)
        own = [b for b in self._buffers if b.shared is None]
        size = lay_out(own)
        native = _C.Plan(size, len(self.slots) + 1)
        parts: list[tuple[int, int] | PythonStep] = []
        optimizers: list[OptimizerStep] = []
        for step in self.steps:
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
            end = len(native)
            if parts and isinstance(parts[-1], tuple):
                parts[-1] = (parts[-1][0], end)
            else:
                parts.append((end - 1, end))
        results = [self._results[y] for y in self.graph.results]
        plan = Plan(native, parts, optimizers, self.slots, results, size, self.notes)
        plan.places = [
            (b.at, b.memory.nbytes, f"{b.memory.dtype}{list(b.memory.shape)}", b.first, b.last)
            for b in own
            if b.first >= 0
        ]
        return plan

    def _note(self, call: Call | None) -> None:
        """Notes that the steps made since the last note are part of this call."""
        self.notes += [note_of(step, call) for step in self.steps[len(self.notes) :]]

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

    def _new(self, shape: tuple[int, ...], dtype: Any) -> Home:
        buffer = Buffer(np.empty(shape, dtype))
        self._buffers.append(buffer)
        return Home(buffer, buffer.memory)

    def _out(self, y: Value) -> Home:
        """A place for what a step computes: that of the write or result it is for, or a new one."""
        target = self._placed.get(y)
        if target is None:
            home = self._new(y.shape, y.dtype)
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
            if tail.may_overwrite(k, register):
                results.shared = y.buffer
                break
        self.steps.append(step)

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
        keys = _parts(call)
        if keys is None:
            return False
        y = self._out(call.outputs[0])
        if call.name in ("slice_grad", "pad"):  # around the part
            fill = call.attrs[2] if call.name == "pad" else 0
            constant = np.full((), fill, y.layout.dtype)
            self._copy(self._source_home(Value((), constant.dtype, source=constant)), y)
        for x, key in zip(call.values(), keys, strict=True):
            self._copy(self.home(x), Home(y.buffer, y.layout[key]))
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
        if call.by_python or not _flatten(call.attrs, ints, numbers):
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
        return Step(call.name, inputs, [self._out(y) for y in call.outputs], ints, numbers)

    def _fallback(self, call: Call) -> None:
        inputs = [self.home(x) for x in call.values()]
        self._python(call, inputs, [self._out(y) for y in call.outputs])

    def _python(self, call: Call, inputs: list[Any], outputs: list[Home]) -> None:
        self.steps.append(Step(call.name, inputs, outputs, [], [], call))

    def _contiguous(self, x: Home) -> Home:
        if x.layout.flags.c_contiguous:
            return x
        home = self._new(x.layout.shape, x.layout.dtype)
        self._copy(x, home)
        return home

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

    def _mark_lifetimes(self) -> None:
        for i, step in enumerate(self.steps):
            for y in step.written():
                if y.buffer.first < 0:
                    y.buffer.first = i
            for x in step.homes():
                x.buffer.last = i


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


def _parts(call: Call) -> list[Any] | None:
    """Where in its result a call puts each of its operands; None where that is not all it does."""
    whole = (slice(None),)
    if call.name == "clone":
        return [...]
    if call.name == "cat":
        dim, sizes = call.attrs
        ends = np.cumsum(sizes).tolist()
        return [(*whole * dim, slice(end - n, end)) for n, end in zip(sizes, ends, strict=True)]
    if call.name == "slice_grad":
        return [call.attrs[0]] if any(k is ... for k in call.attrs[0]) else None
    if call.name == "pad":
        shape = call.operands[0].shape
        return [tuple([slice(b, b + n) for b, n in zip(call.attrs[0], shape, strict=True)])]
    return None


_KINDS = {Input: "input", Draw: "draw", type(None): "result"}
_WORDS = {"none": 0, "mean": 1, "sum": 2}


def _flatten(attribute: Any, ints: list[int], numbers: list[float]) -> bool:
    """Attributes as lists of integers and of floats; False for what is neither."""
    if isinstance(attribute, (tuple, list)):
        return all(_flatten(a, ints, numbers) for a in attribute)
    if isinstance(attribute, np.ndarray) and attribute.dtype.kind in "if":
        ints.append(attribute.size)
        (numbers if attribute.dtype.kind == "f" else ints).extend(attribute.ravel().tolist())
    elif isinstance(attribute, float):
        numbers.append(attribute)
    elif isinstance(attribute, (int, np.integer)):
        ints.append(int(attribute))
    elif isinstance(attribute, str) and attribute in _WORDS:
        ints.append(_WORDS[attribute])
    else:
        return False
    return True


def _placements(graph: Graph) -> dict[Value, Any]:
    """Values that are computed right where they go: the target of a write, or "result".

    Only where nothing reads the target's old content between the computation and the write.
    """
    place: dict[Value, Any] = {}
    read_from = graph.memory()
    made = {y: i for i, call in enumerate(graph.calls) if not is_view(call) for y in call.outputs}
    for at, call in enumerate(graph.calls):
        if call.name != "write":
            continue
        target, value = call.operands
        memory = target.source
        if value not in made or value in place or not memory.flags.c_contiguous:
            continue
        if value.shape != target.shape or not memory.flags.aligned:
            continue
        owner = modes.owner(memory)
        between = graph.calls[made[value] : at]
        if not any(_touches(c, owner, read_from) for c in between):
            place[value] = target
    seen: set[Value] = set()
    for y in graph.results:
        if y in made and y not in place and y not in seen:
            place[y] = "result"
        seen.add(y)
    return place


def _touches(call: Call, owner: Any, read_from: dict[Value, Any]) -> bool:
    return call.name == "optimizer" or any(read_from.get(x) is owner for x in call.values())
