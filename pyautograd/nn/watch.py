"""Watching modules run, as `pyautograd.watch` does ops. Costs nothing while nobody watches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pyautograd.nn.module import Module
from pyautograd.watch import Watch

_call: Callable[..., Any] = Module.__call__  # as it was when the first began to watch


class watch_modules(Watch):
    """`handler(module, run)` runs each call of a module; it returns the result of run()."""

    def _begin(self) -> None:
        global _call
        _call = Module.__call__
        Module.__call__ = _watched  # type: ignore[method-assign]

    def _end(self) -> None:
        Module.__call__ = _call  # type: ignore[method-assign]


def _watched(self: Module, *args: Any, **kwargs: Any) -> Any:
    run = partial(_call, self, *args, **kwargs)
    for handler in watch_modules.handlers():
        run = partial(handler, self, run)
    return run()
