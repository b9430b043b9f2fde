"""What a profile records: spans of time, one within the other."""

from __future__ import annotations

import functools
from typing import Any

from pyautograd.cost import Cost, Layout
from pyautograd.op import Op

# The kinds of events, and the phases in which they happen.
#   profile: the whole; function: a record_function; module: a call of one;
#   backward: a run of backward; node: the rule of a node in it; op: a kernel;
#   optimizer: an update; data: a batch of a DataLoader;
#   compile: tracing and lowering; plan: a run of a compiled plan; step: an instruction of one.
WORK = ("op", "step", "optimizer", "data", "compile")  # all else is Python around these
FORWARD, BACKWARD, UPDATE, DATA = "forward", "backward", "update", "data"


class Scope:
    """A module as it was called: its name within the one that called it."""

    __slots__ = ("children", "label", "name", "parent")

    def __init__(self, name: str, label: str, parent: Scope | None) -> None:
        self.name = name
        self.label = label  # the module's class
        self.parent = parent
        self.children: dict[Any, Scope] = {}

    def path(self) -> tuple[Scope, ...]:
        """The modules around it and itself, outermost first."""
        found: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            found.append(scope)
            scope = scope.parent
        return tuple(reversed(found))

    def __str__(self) -> str:
        return ".".join(scope.name for scope in self.path())


_NO_COST = Cost(0, 0)


class OpCall:
    """A call of an op by the layouts of its inputs and outputs, without the arrays."""

    def __init__(self, op: Op, inputs: Any, attrs: tuple[Any, ...], result: Any) -> None:
        self.op = op
        self.inputs = [Layout.of(x) for x in inputs]
        outputs = [Layout.of(y) for y in (result if type(result) is tuple else (result,))]
        self.outputs = [y for y in outputs if y is not None]
        self._attrs = attrs

    @functools.cached_property
    def cost(self) -> Cost:
        """The op's."""
        return self.op.cost(self.inputs, self._attrs, self.outputs)

    @functools.cached_property
    def itemsize(self) -> int:
        """Of the floats that it computes with."""
        layouts = (*self.outputs, *self.inputs)
        return next((x.dtype.itemsize for x in layouts if x is not None and x.dtype.kind == "f"), 4)


class Event:
    """A span of time.

    name, kind, phase: what ran; see the kinds above. A phase is "forward", "backward", "update"
        (an optimiser's) or "data" (a loader's).
    start, end: nanoseconds of `time.perf_counter_ns`.
    inner: of those, spent in events within this one; `self_time` is the rest.
    parent: the event around it; None for the profile itself.
    module: the module that it belongs to, as a Scope; of a backward op, that of the forward.
    memory, peak: bytes of large arrays (32 KiB and more) in use at its end, and the most meanwhile.
    detail: what a step was fused from, or the line of the program.
    """

    __slots__ = (
        "call",
        "detail",
        "end",
        "inner",
        "kind",
        "memory",
        "module",
        "name",
        "parent",
        "peak",
        "phase",
        "start",
        "work",
    )

    def __init__(
        self, name: str, kind: str, phase: str, start: int, parent: Event | None, module: Any = None
    ) -> None:
        self.name = name
        self.kind = kind
        self.phase = phase
        self.start = start
        self.end = start
        self.inner = 0
        self.parent = parent
        self.module: Scope | None = module
        self.memory = self.peak = 0
        self.call: OpCall | None = None
        self.work = _NO_COST  # that of an op is asked of its call
        self.detail = ""

    @property
    def time(self) -> int:
        """Nanoseconds from its start to its end."""
        return self.end - self.start

    @property
    def self_time(self) -> int:
        """Nanoseconds outside of the events within it."""
        return self.time - self.inner

    @property
    def cost(self) -> Cost:
        """Its own arithmetic, and the bytes it reads and writes; of work only."""
        return self.work if self.call is None else self.call.cost

    @property
    def shapes(self) -> tuple[tuple[int, ...] | None, ...]:
        """The shapes of an op's inputs; None for those that are numbers."""
        if self.call is None:
            return ()
        return tuple([None if x is None else x.shape for x in self.call.inputs])

    @property
    def itemsize(self) -> int:
        """Of the numbers it computes with."""
        return 4 if self.call is None else self.call.itemsize

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}, {self.phase}: {self.time / 1e3:.1f} us>"
