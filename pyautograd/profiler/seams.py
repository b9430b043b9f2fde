"""What a profile watches beside ops and modules: exchanged while any thread profiles."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from pyautograd import modes, tape
from pyautograd.cost import Cost
from pyautograd.data.loader import DataLoader
from pyautograd.optim.optimizer import Optimizer
from pyautograd.profiler.events import BACKWARD, DATA, UPDATE, Event
from pyautograd.profiler.recorder import ADD_INTO, Recorder, recorders
from pyautograd.profiler.steps import run_plan
from pyautograd.static.plan import Plan
from pyautograd.static.program import Program

Begin = Callable[..., Event]  # begin(recorder, *args of the call)


def _watched() -> tuple[Recorder, ...]:
    """The recorders of this thread; none while it builds a static graph: nothing runs then."""
    return () if modes.in_graph() else recorders()


def _spanned(
    function: Callable[..., Any], begin: Begin, cost: Callable[..., Cost] | None = None
) -> Callable[..., Any]:
    """The function, each call of which is an event; `cost(*args)` is asked after it."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        watched = _watched()
        if not watched:
            return function(*args, **kwargs)
        events = [(recorder, begin(recorder, *args)) for recorder in watched]
        try:
            return function(*args, **kwargs)
        finally:
            for recorder, event in reversed(events):
                recorder.end(event)
                if cost is not None:
                    event.work = cost(*args)

    return call


def _begin_update(recorder: Recorder, optimizer: Optimizer, chosen: Any) -> Event:
    return recorder.begin(f"{type(optimizer).__name__}.step", "optimizer", UPDATE)


def _update_cost(optimizer: Optimizer, chosen: Any) -> Cost:
    return optimizer.update_cost([p for group in chosen for p in group])


def _iterated(iterate: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """The batches of a loader, the making of each of which is an event."""

    @functools.wraps(iterate)
    def batches(loader: Any) -> Iterator[Any]:
        step = _spanned(next, lambda recorder, _: recorder.begin("DataLoader", "data", DATA))
        rest = iterate(loader)
        while True:
            try:
                batch = step(rest)
            except StopIteration:
                return
            yield batch

    return batches


def _added(add_into: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        run = functools.partial(add_into, *args)
        for recorder in recorders():
            run = functools.partial(recorder.timed, ADD_INTO, args, run)
        return run()

    return call


def _in_steps(run: Callable[..., Any]) -> Callable[..., Any]:
    def call(plan: Plan, inputs: list[Any]) -> Any:
        watched = _watched()
        return run_plan(run, plan, inputs, watched) if watched else run(plan, inputs)

    return call


_SEAMS: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
    (
        tape,
        "run_backward",
        lambda f: _spanned(f, lambda r, *_: r.begin("backward", "backward", BACKWARD)),
    ),
    (tape.arrays, "add_into", _added),
    (Optimizer, "_update", lambda f: _spanned(f, _begin_update, _update_cost)),
    (DataLoader, "__iter__", _iterated),
    (
        Program,
        "__init__",
        lambda f: _spanned(f, lambda r, program, function, *_: r.begin(_name(function), "compile")),
    ),
    (Plan, "run", _in_steps),
)


def _name(function: Any) -> str:
    return f"compile {getattr(function, '__name__', type(function).__name__)}"


class Seams:
    """A context manager: the calls are watched in it. Any number may be at work at once."""

    _at_work = 0
    _before: tuple[Any, ...] = ()

    def __enter__(self) -> None:
        with modes.lock:
            if not Seams._at_work:
                Seams._before = tuple([getattr(owner, name) for owner, name, _ in _SEAMS])
                for (owner, name, make), before in zip(_SEAMS, Seams._before, strict=True):
                    setattr(owner, name, make(before))
            Seams._at_work += 1

    def __exit__(self, *exc: object) -> None:
        with modes.lock:
            Seams._at_work -= 1
            if not Seams._at_work:
                for (owner, name, _), before in zip(_SEAMS, Seams._before, strict=True):
                    setattr(owner, name, before)
