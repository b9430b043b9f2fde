"""`profile`, the context manager, and `record_function`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from pyautograd.modes import refuse_in_graph
from pyautograd.profiler import averages
from pyautograd.profiler.events import Event
from pyautograd.profiler.recorder import Recorder, recorders
from pyautograd.profiler.seams import Seams

F = TypeVar("F", bound=Callable[..., Any])


class profile:
    """A context manager: what this thread does in it, op by op and module by module.

    Kernels are timed, forward and backward apart, with their arithmetic and the bytes they move;
    calls of modules, runs of backward, updates of optimisers, batches of a `DataLoader`, runs of
    compiled plans by instruction, and what `record_function` marks. The time that is left is
    Python's: rows of `table` add up to 100%.

    It costs some 5 us for each op while it is at work (told of as Python's time), and
    nothing when it is not. Profiles nest; each records its own thread. An error inside goes on, and
    what was recorded until then can be read. The memory that it speaks of is that of large arrays,
    of 32 KiB and more, as in `ag.memory_stats()`, by all threads.

    events: the events in the order in which they began, the first of which is the whole.

    >>> import pyautograd as ag
    >>> x = ag.ones(100, 100, requires_grad=True)
    >>> with ag.profiler.profile() as p:
    ...     (x @ x).relu().sum().backward()
    >>> for row in p.key_averages():
    ...     if row.name == "matmul":
    ...         print(row.phase, row.calls, row.flops)
    forward 1 2000000
    backward 2 4000000
    >>> print(p.table())  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._recorder: Recorder | None = None
        self._seams = Seams()
        self._at_work = False

    def __enter__(self) -> profile:
        refuse_in_graph("profile")
        if self._at_work:
            raise RuntimeError("profile: this one is at work already; make another to nest them")
        self._at_work = True
        self._seams.__enter__()
        self._recorder = Recorder()
        self._recorder.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done().__exit__(*exc)
        self._seams.__exit__(*exc)
        self._at_work = False

    def _done(self) -> Recorder:
        if self._recorder is None:
            raise RuntimeError("profile: nothing is recorded yet: use it as `with profile() as p:`")
        return self._recorder

    def _finished(self) -> Recorder:
        recorder = self._done()
        if self._at_work:
            raise RuntimeError("profile: it is still at work; read it after its `with`")
        return recorder

    # ---- what was recorded -----------------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """All events; see `Event`. The first is the profile itself."""
        return self._finished().events

    @property
    def seconds(self) -> float:
        """From the start to the end."""
        return self._finished().root.time / 1e9

    @property
    def memory_peak(self) -> int:
        """The most bytes of large arrays that were in use at once."""
        return self._finished().root.peak

    def key_averages(self, group_by_input_shape: bool = False) -> averages.Averages:
        """A list of rows, one for each op and phase, with calls, times in ns, FLOPs, bytes, peak.

        Rows of kind "python" are of the Python around them: the self times add up to the whole.
        It has a `table`, as in PyTorch.
        """
        return averages.op_rows(self.events, group_by_input_shape)

    def modules(self) -> list[averages.ModuleRow]:
        """A row for each module that ran, those within it right after it."""
        return averages.module_rows(self.events, self._finished().models)

    def table(
        self,
        sort_by: str = "self",
        limit: int | None = 20,
        *,
        by: str | None = None,
        group_by_input_shape: bool = False,
        width: int | None = None,
    ) -> str:
        """The profile as text: one table of ops, one of modules.

        sort_by: "self" (time), "total", "calls", "flops", "bytes", "limit" (the furthest from it
            first), "peak" or "name"; PyTorch's names do, too. Modules stand in their own order.
        limit: how many ops to show; the others are added up. None for all.
        by: "op" or "module" for one of the tables alone.
        group_by_input_shape: tells calls of an op with other shapes apart.
        width: columns of text; those of the terminal unless given.

        Below 116 columns some are left out. "of limit" is the time that this machine needs at best,
        for the arithmetic in registers or for a copy of as many bytes, over the time taken
        (convolutions by Winograd's algorithm do with fewer operations than are counted, and may
        pass 100%). Needs rich: `pip install 'pyautograd[cli]'`.
        """
        from pyautograd.profiler.table import summary

        if by not in (None, "op", "module"):
            raise ValueError(f"table: expected by as 'op', 'module' or None, got {by!r}")
        averages.check_limit(limit)
        rows = averages.in_order(self.key_averages(group_by_input_shape), sort_by)
        return summary(self, rows, by, limit, width)

    # ---- files -----------------------------------------------------------------------------------

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes all events as a trace in Chrome's format, as ui.perfetto.dev opens it."""
        from pyautograd.profiler.trace import save_trace

        save_trace(self.events, path)

    export_chrome_trace = save_trace

    def save_flame(self, path: str | os.PathLike[str]) -> None:
        """Writes a flame graph as SVG: widths are time, what is below a bar ran within it.

        Calls of one name in one place are added up. In a browser a click zooms in, hovering tells
        the numbers.
        """
        from pyautograd.profiler.flame import save_flame

        save_flame(self.events, path)


class record_function:
    """Marks a part of the program, which profiles then show under that name.

    As a context manager or a decorator. Where no profile is at work it does nothing.

    >>> import pyautograd as ag
    >>> with ag.profiler.profile() as p:
    ...     with ag.profiler.record_function("prepare"):
    ...         _ = ag.ones(3).exp()
    >>> [(event.name, event.parent.name) for event in p.events[1:]]
    [('prepare', 'profile'), ('exp', 'prepare')]
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"record_function: expected a str, got {type(name).__name__}")
        self.name = name
        self._events: list[tuple[tuple[Recorder, Event], ...]] = []

    def __enter__(self) -> record_function:
        self._events.append(tuple([(r, r.begin(self.name, "function")) for r in recorders()]))
        return self

    def __exit__(self, *exc: object) -> None:
        for recorder, event in reversed(self._events.pop()):
            recorder.end(event)

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]
