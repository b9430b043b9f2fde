"""Watching modules run, as `pyautograd.watch` does ops. Costs nothing while nobody watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from pyautograd.modes import lock
from pyautograd.nn.module import Module

# handler(module, run) returns the result of run(), which calls the module.
Handler = Callable[[Module, Callable[[], Any]], Any]

_thread = threading.local()
_watching = 0
_call: Callable[..., Any] = Module.__call__  # as it was when the first began to watch


class watch_modules:
    """A context manager: `handler` runs each call of a module that this thread makes.

    Handlers nest, the innermost first. While any thread watches, modules are called by way of
    another `__call__`.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __enter__(self) -> None:
        global _watching, _call
        _handlers().append(self._handler)
        with lock:
            _watching += 1
            if _watching == 1:
                _call = Module.__call__
                Module.__call__ = _watched  # type: ignore[method-assign]

    def __exit__(self, *exc: object) -> None:
        global _watching
        _handlers().remove(self._handler)
        with lock:
            _watching -= 1
            if not _watching:
                Module.__call__ = _call  # type: ignore[method-assign]


def _handlers() -> list[Handler]:
    try:
        return _thread.handlers
    except AttributeError:
        _thread.handlers = []
        return _thread.handlers


def _watched(self: Module, *args: Any, **kwargs: Any) -> Any:
    run = partial(_call, self, *args, **kwargs)
    for handler in _handlers():
        run = partial(handler, self, run)
    return run()
