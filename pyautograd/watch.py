"""Watching ops run: what anomaly mode and profiles stand on. Costs nothing while nobody watches."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from pyautograd import tape
from pyautograd.graph import Node
from pyautograd.modes import lock
from pyautograd.op import OPS, Op


class Watch:
    """A context manager: `handler` is handed each run, by this thread, of what the class watches.

    Handlers nest, the innermost first. While any thread watches, what is watched is exchanged for
    something that looks for the thread's handlers: `_begin` does so, and `_end` undoes it.
    """

    _thread: threading.local  # of each class
    _watching: int

    def __init_subclass__(cls) -> None:
        cls._thread = threading.local()
        cls._watching = 0

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler

    def __enter__(self) -> None:
        cls = type(self)
        cls.handlers().append(self._handler)
        with lock:
            cls._watching += 1
            if cls._watching == 1:
                self._begin()

    def __exit__(self, *exc: object) -> None:
        cls = type(self)
        cls.handlers().remove(self._handler)
        with lock:
            cls._watching -= 1
            if not cls._watching:
                self._end()

    @classmethod
    def handlers(cls) -> list[Callable[..., Any]]:
        """Those of this thread, the outermost first."""
        try:
            return cls._thread.handlers
        except AttributeError:
            cls._thread.handlers = []
            return cls._thread.handlers

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class watch_ops(Watch):
    """`handler(op, args, run)` runs the forward of each op, those of gradient rules included.

    It returns the result of run(), which runs the forward on `args`: arrays (or numbers), then
    attributes.
    """

    def _begin(self) -> None:
        for op in OPS.values():
            op.exchange(_watched(op))

    def _end(self) -> None:
        for op in OPS.values():
            op.exchange(op.forward)


def _watched(op: Op) -> Callable[..., Any]:
    def forward(*args: Any) -> Any:
        run = partial(op.forward, *args)
        for handler in watch_ops.handlers():
            run = partial(handler, op, args, run)
        return run()

    return forward


def node_in_backward() -> Node | None:
    """The node whose rule is being run by the innermost backward of this thread."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is tape.run_nodes.__code__:
            return frame.f_locals.get("node")
        frame = frame.f_back
    return None
