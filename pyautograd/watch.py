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

# handler(op, args, run) returns the result of run(), which runs the op's forward on `args`: arrays
# (or numbers), then attributes.
Handler = Callable[[Op, tuple[Any, ...], Callable[[], Any]], Any]

_thread = threading.local()
_watching = 0


class watch_ops:
    """A context manager: `handler` runs the forward of each op that this thread calls.

    That includes the ops of gradient rules. Handlers nest, the innermost first. While any thread
    watches, the ops' forwards are exchanged for ones that look for handlers.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __enter__(self) -> None:
        global _watching
        _handlers().append(self._handler)
        with lock:
            _watching += 1
            if _watching == 1:
                for op in OPS.values():
                    op.exchange(_watched(op))

    def __exit__(self, *exc: object) -> None:
        global _watching
        _handlers().remove(self._handler)
        with lock:
            _watching -= 1
            if not _watching:
                for op in OPS.values():
                    op.exchange(op.forward)


def _handlers() -> list[Handler]:
    try:
        return _thread.handlers
    except AttributeError:
        _thread.handlers = []
        return _thread.handlers


def _watched(op: Op) -> Callable[..., Any]:
    def forward(*args: Any) -> Any:
        run = partial(op.forward, *args)
        for handler in _handlers():
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
