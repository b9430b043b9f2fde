"""Events added up: a row for each op, and a row for each module."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from pyautograd.profiler.events import BACKWARD, WORK, Event, Scope

REST = "Python and the rest"


class Row:
    """All events of one name, kind and phase (and shapes, where they are told apart).

    calls; self_time, total_time: nanoseconds, outside of and with the events within.
    flops, bytes: of all calls. peak: the most bytes of large arrays in use meanwhile.
    limit: seconds in which this machine could have done it at best; see limits.py.
    """

    def __init__(self, name: str, kind: str, phase: str, shapes: Any = ()) -> None:
        self.name = name
        self.kind = kind
        self.phase = phase
        self.shapes = shapes
        self.detail = ""
        self.calls = self.self_time = self.total_time = self.flops = self.bytes = self.peak = 0
        self._costs: list[tuple[Any, int]] = []

    def add(self, event: Event) -> None:
        """Takes account of one event."""
        self.calls += 1
        self.self_time += event.self_time
        if not _within_its_like(event):
            self.total_time += event.time
        self.peak = max(self.peak, event.peak)
        self.detail = self.detail or event.detail
        if event.kind in WORK:
            cost = event.cost
            self.flops += cost.flops
            self.bytes += cost.bytes
            self._costs.append((cost, event.itemsize))

    @property
    def limit(self) -> float:
        """Seconds that the machine needs at best for all calls. Measures it, at first use."""
        from pyautograd.profiler.limits import machine_limits

        limits = machine_limits()
        return sum([limits.seconds(cost, itemsize) for cost, itemsize in self._costs])

    @property
    def share_of_limit(self) -> float | None:
        """`limit` over the time taken; None where there is neither arithmetic nor memory moved."""
        if not self.self_time or not (self.flops or self.bytes):
            return None
        return self.limit * 1e9 / self.self_time

    def __repr__(self) -> str:
        return f"<{self.name}, {self.phase}: {self.calls} calls, {self.self_time / 1e3:.1f} us>"


class Averages(list[Row]):
    """The rows of a profile, of work and of the Python around it."""

    def table(
        self, sort_by: str = "self", row_limit: int | None = 100, width: int | None = None
    ) -> str:
        """The rows as text: see `profile.table`, of which this is the first part."""
        from pyautograd.profiler.table import op_table

        check_limit(row_limit)
        whole = sum([row.self_time for row in self])
        return op_table(in_order(self, sort_by), whole, row_limit, width)


def check_limit(limit: int | None) -> None:
    """ValueError for a number of rows that makes no sense."""
    if limit is not None and limit < 1:
        raise ValueError(f"table: expected a limit of at least 1, or None, got {limit}")


def _within_its_like(event: Event) -> bool:
    """Whether the event is within another of its name, whose total time has it already."""
    if event.kind not in ("function", "module"):
        return False
    around = event.parent
    while around is not None:
        if around.kind == event.kind and around.name == event.name:
            return True
        around = around.parent
    return False


def op_rows(events: Iterable[Event], by_shape: bool) -> Averages:
    """Rows of the work, and of the Python around it by phase: their self times are all the time."""
    rows: dict[Any, Row] = {}
    for event in events:
        key: Any
        if event.kind in WORK:
            key = (event.name, event.kind, event.phase, event.shapes if by_shape else ())
        else:
            key = (REST, "python", event.phase, ())
        row = rows.get(key)
        if row is None:
            row = rows[key] = Row(*key)
        row.add(event)
    for row in rows.values():
        if row.kind == "python":
            row.calls = 0  # not calls of one thing
            row.total_time = row.self_time
    return Averages(rows.values())


def function_rows(events: Iterable[Event]) -> list[Row]:
    """Rows of what was marked by `record_function`."""
    rows: dict[str, Row] = {}
    for event in events:
        if event.kind == "function":
            rows.setdefault(event.name, Row(event.name, "function", event.phase)).add(event)
    return list(rows.values())


class ModuleRow:
    """All calls of one module in one place of the model.

    calls; self_time: in its forward, outside of the modules within; total_time: with them;
    backward_time: of the gradient rules of what it and the modules within recorded.
    flops, bytes: of its forward, with the modules within. peak: as in Row.
    """

    def __init__(self, scope: Scope) -> None:
        self.name = scope.name
        self.label = scope.label
        self.path = str(scope)
        self.depth = len(scope.path()) - 1
        self.calls = self.self_time = self.total_time = self.backward_time = 0
        self.flops = self.bytes = self.peak = 0

    def __repr__(self) -> str:
        return f"<{self.path}: {self.calls} calls, {self.total_time / 1e3:.1f} us>"


def module_rows(events: Iterable[Event], models: Scope) -> list[ModuleRow]:
    """A row for each module, those within right after it, in the order of the first calls."""
    rows: dict[Scope, ModuleRow] = {}

    def add_rows(scope: Scope) -> None:
        stack = [scope]
        while stack:
            scope = stack.pop()
            rows[scope] = ModuleRow(scope)
            stack.extend(reversed(scope.children.values()))

    for model in models.children.values():
        add_rows(model)
    for event in events:
        if event.module is None:
            continue
        path = event.module.path()
        if event.kind == "module":
            own = rows[event.module]
            own.calls += 1
            own.self_time += event.time
            own.total_time += event.time
            own.peak = max(own.peak, event.peak)
            around = _module_around(event)
            if around is not None:
                rows[around].self_time -= event.time
        elif event.kind == "node":
            for scope in path:
                rows[scope].backward_time += event.time
        elif event.kind in WORK and event.phase != BACKWARD:
            cost = event.cost
            for scope in path:
                rows[scope].flops += cost.flops
                rows[scope].bytes += cost.bytes
    return list(rows.values())


def _module_around(event: Event) -> Scope | None:
    around: Any = event.parent
    while around is not None and around.kind != "module":
        around = around.parent
    return None if around is None else around.module


# ---- order ---------------------------------------------------------------------------------------

# What to sort by; PyTorch's names for the same after them.
SORT_KEYS: dict[str, Callable[[Row], Any]] = {
    "self": lambda row: -row.self_time,
    "total": lambda row: -row.total_time,
    "calls": lambda row: -row.calls,
    "flops": lambda row: -row.flops,
    "bytes": lambda row: -row.bytes,
    "limit": lambda row: math.inf if row.share_of_limit is None else row.share_of_limit,
    "peak": lambda row: -row.peak,
    "name": lambda row: row.name,
}
_SAME = {
    "self_cpu_time_total": "self",
    "cpu_time_total": "total",
    "count": "calls",
    "cpu_memory_usage": "peak",
}


def in_order(rows: list[Row], sort_by: str) -> list[Row]:
    """The rows sorted, the largest first (by "limit" the lowest share, by "name" A to Z)."""
    key = SORT_KEYS.get(_SAME.get(sort_by, sort_by))
    if key is None:
        raise ValueError(f"sort_by: expected one of {', '.join(SORT_KEYS)}, got {sort_by!r}")
    return sorted(rows, key=key)
