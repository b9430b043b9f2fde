"""A run of a compiled plan, timed instruction by instruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd.profiler.events import FORWARD, Event
from pyautograd.profiler.recorder import Recorder
from pyautograd.static.plan import Stamp


def run_plan(
    run: Callable[..., Any], plan: Any, inputs: list[Any], recorders: tuple[Recorder, ...]
) -> list[Any]:
    """What `run(plan, inputs)` gives; each step becomes an event."""
    events = [(recorder, recorder.begin(plan.name, "plan")) for recorder in recorders]
    stamps: list[Stamp] = []
    try:
        return run(plan, inputs, stamps)
    finally:
        for recorder, event in reversed(events):
            _add_steps(recorder, event, stamps)
            recorder.end(event)


def _add_steps(recorder: Recorder, around: Event, stamps: list[Stamp]) -> None:
    recorder.note_memory()
    for note, start, end in stamps:
        phase = around.phase if note.phase == FORWARD else note.phase
        event = Event(note.name, "step", phase, start, around, around.module)
        event.end = end
        event.work = note.cost()
        event.detail = note.detail
        event.memory, event.peak = around.memory, around.peak
        around.inner += end - start
        recorder.events.append(event)
