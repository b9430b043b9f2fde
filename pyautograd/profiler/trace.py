"""A profile in the trace format of Chrome, which Perfetto opens."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from pyautograd.profiler.events import WORK, Event


def save_trace(events: list[Event], path: str | os.PathLike[str]) -> None:
    """Writes one complete event ("X") for each span, and the memory in use as a counter ("C").

    Times are microseconds from the start of the profile.
    """
    process, thread = os.getpid(), threading.get_native_id()
    where = {"pid": process, "tid": thread}
    zero = events[0].start
    records: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", **where, "args": {"name": "pyautograd"}},
        {"ph": "M", "name": "thread_name", **where, "args": {"name": "profiled thread"}},
    ]
    memory = -1
    for event in sorted(events, key=lambda e: (e.start, -e.end)):
        records.append(
            {
                "ph": "X",
                "name": event.name,
                "cat": event.kind,
                **where,
                "ts": (event.start - zero) / 1e3,
                "dur": event.time / 1e3,
                "args": _arguments(event),
            }
        )
    for event in sorted(events, key=lambda e: e.end):
        if event.memory != memory:
            memory = event.memory
            at = (event.end - zero) / 1e3
            records.append(
                {"ph": "C", "name": "memory", **where, "ts": at, "args": {"bytes": memory}}
            )
    text = json.dumps({"traceEvents": records, "displayTimeUnit": "ms"}, separators=(",", ":"))
    Path(path).write_text(text, encoding="utf-8")


def _arguments(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {"phase": event.phase}
    if event.module is not None:
        found["module"] = str(event.module)
    if event.kind == "module" and event.module is not None:
        found["class"] = event.module.label
    if event.shapes:
        found["shapes"] = [None if s is None else list(s) for s in event.shapes]
    if event.kind in WORK:
        found["flops"], found["bytes"] = event.cost
    if event.detail:
        found["detail"] = event.detail
    if event.peak:
        found["peak bytes"] = event.peak
    return found
