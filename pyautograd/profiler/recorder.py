"""Records what one thread does: the kernels that ops call, and the calls watched by seams.py."""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.graph import RecordWatcher
from pyautograd.memory import in_use_and_peak
from pyautograd.modes import in_graph, lock
from pyautograd.nn.watch import watch_modules
from pyautograd.op import Op
from pyautograd.profiler.events import BACKWARD, FORWARD, Event, OpCall, Scope
from pyautograd.watch import node_in_backward, watch_ops

_thread = threading.local()

# What backward calls to add into a gradient that is there already: no op of its own.
ADD_INTO = Op("add_into", "elementwise", _C.add_into, None, lambda a, b: (a.shape, a.dtype), (), 2)


_active: tuple[Recorder, ...] = ()  # at work, in all threads


def recorders() -> tuple[Recorder, ...]:
    """Those at work in this thread, the outermost first."""
    return getattr(_thread, "recorders", ())


class Recorder(RecordWatcher):
    """A context manager: collects the events of this thread, in the order in which they begin."""

    def __init__(self) -> None:
        self.root = Event("profile", "profile", FORWARD, perf_counter_ns(), None)
        self.events: list[Event] = [self.root]
        self.models = Scope("", "", None)  # the modules that are called by no other
        self._stack = [self.root]
        self._scope_of: dict[int, Scope | None] = {}  # where a node was recorded, by its id
        self._modules: dict[Scope, Any] = {}
        self._node: tuple[Any, Event] | None = None  # the node of the last op in backward
        self._calls: dict[Any, OpCall] = {}
        self._peak = 0  # the most memory in use since it asked last
        self._watches = watch_ops(self.timed), watch_modules(self._module)

    def __enter__(self) -> None:
        global _active
        super().__enter__()
        for watch in self._watches:
            watch.__enter__()
        _thread.recorders = (*recorders(), self)
        with lock:
            _active = (*_active, self)
        self._memory()
        self._peak = 0
        self.root.start = perf_counter_ns()

    def __exit__(self, *exc: object) -> None:
        global _active
        self.end(self.root)
        with lock:
            _active = tuple([r for r in _active if r is not self])
        _thread.recorders = tuple([r for r in recorders() if r is not self])
        for watch in self._watches:
            watch.__exit__(*exc)
        super().__exit__(*exc)
        self._scope_of.clear()
        self._modules.clear()
        self._calls.clear()

    # ---- spans -----------------------------------------------------------------------------------

    def begin(self, name: str, kind: str, phase: str = "", scope: Scope | None = None) -> Event:
        """Opens an event in the innermost one; in its phase and its module, unless given."""
        self.note_memory()
        self._node = None
        around = self._stack[-1]
        event = Event(
            name, kind, phase or around.phase, perf_counter_ns(), around, scope or around.module
        )
        self.events.append(event)
        self._stack.append(event)
        return event

    def end(self, event: Event) -> None:
        """Closes an event, and what an error has left open in it."""
        now = perf_counter_ns()
        self.note_memory()
        self._node = None
        while event in self._stack:
            last = self._stack.pop()
            last.end = now
            if last.parent is not None:
                last.parent.inner += last.time
                last.parent.peak = max(last.parent.peak, last.peak)

    def note_memory(self) -> None:
        """Notes the memory in use, and the most since the last note, in the innermost event."""
        event = self._stack[-1]
        event.memory, peak = self._memory()
        if peak > event.peak:
            event.peak = peak

    def _memory(self) -> tuple[int, int]:
        """Bytes in use, and the most since the last call; one recorder's call is news to all."""
        in_use, peak = in_use_and_peak()
        for recorder in _active:
            if peak > recorder._peak:
                recorder._peak = peak
        peak, self._peak = self._peak, in_use
        return in_use, peak

    def _module(self, module: Any, run: Any) -> Any:
        """Runs a call of a module: handler of `watch_modules`."""
        if in_graph():
            return run()
        event = self.begin_module(module)
        try:
            return run()
        finally:
            self.end(event)

    def begin_module(self, module: Any) -> Event:
        """Opens a call of a module."""
        inside = self._stack[-1].module
        children = (inside or self.models).children
        scope = children.get(id(module))
        if scope is None:
            label = type(module).__name__
            name = label if inside is None else _name_in(self._modules[inside], module) or label
            scope = children[id(module)] = Scope(name, label, inside)
            self._modules[scope] = module  # alive, so that nothing else gets its id
        return self.begin(scope.name, "module", scope=scope)

    # ---- ops -------------------------------------------------------------------------------------

    def saw(self, node: Any) -> None:
        """Remembers in which module a node was recorded."""
        self._scope_of[id(node)] = self._stack[-1].module

    def timed(self, op: Op, args: tuple[Any, ...], run: Any) -> Any:
        """What `run()` gives, which calls the kernel of an op: handler of `watch_ops`."""
        self.note_memory()
        start = perf_counter_ns()
        result = run()
        end = perf_counter_ns()
        around = self._stack[-1]
        event = Event(op.name, "op", around.phase, start, around, around.module)
        event.end = end
        event.memory, event.peak = self._memory()
        if around.kind == "backward":
            self._within_node(event, around)
        event.parent.inner += end - start  # type: ignore[union-attr]
        if event.peak > around.peak:
            around.peak = event.peak
        event.call = self._call(op, args, args[0] if result is None else result)
        self.events.append(event)
        return result

    def _call(self, op: Op, args: tuple[Any, ...], result: Any) -> OpCall:
        """A call as events keep it: one for all that are alike, so that there are few to keep."""
        inputs, attrs = op.operands(args)
        layouts = [
            (x.shape, x.strides, x.dtype) if isinstance(x, np.ndarray) else None for x in inputs
        ]
        key = (op.name, tuple(layouts), attrs)
        try:
            found = self._calls.get(key)
        except TypeError:  # attributes without a hash
            return OpCall(op, inputs, attrs, result)
        if found is None:
            found = self._calls[key] = OpCall(op, inputs, attrs, result)
        return found

    def _within_node(self, event: Event, backward: Event) -> None:
        """Puts an op that a gradient rule has called into the event of the rule's node."""
        node = node_in_backward()
        if node is None:
            return
        if self._node is None or self._node[0] is not node:
            scope = self._scope_of.get(id(node))
            around = Event(node.name(), "node", BACKWARD, event.start, backward, scope)
            self.events.append(around)
            self._node = node, around
        around = self._node[1]
        backward.inner += event.end - around.end
        around.end = event.end
        around.peak = max(around.peak, event.peak)
        around.memory = event.memory
        event.parent, event.module = around, around.module


def _name_in(parent: Any, module: Any) -> str:
    """The dotted name of a module in another; nothing where it is not there."""
    return next((name for name, child in parent.named_modules() if child is module), "")
