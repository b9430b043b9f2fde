"""Grad modes, and the versions of arrays that were changed in place.

Both are read on the hot path of every op, so both come down to one slot of `state`: recording is
on everywhere while `grad_off` is 0, and nothing has changed in place since a call was recorded
while `clock` stands where it stood.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


class _State:
    __slots__ = ("clock", "grad_off")

    def __init__(self) -> None:
        self.grad_off = 0  # threads that have recording switched off; 0 makes the usual test short
        self.clock = 0  # moves at each in-place change


state = _State()
lock = threading.RLock()
_thread = threading.local()


def is_grad_enabled() -> bool:
    """Whether ops on tensors that require a gradient are recorded in this thread."""
    return not state.grad_off or getattr(_thread, "enabled", True)


def switch_grad(enabled: bool) -> None:
    if enabled != getattr(_thread, "enabled", True):
        with lock:
            state.grad_off += -1 if enabled else 1
        _thread.enabled = enabled


class GradMode:
    """A context manager and decorator that switches recording in this thread."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        switch_grad(self._enabled)

    def __exit__(self, *exc: object) -> None:
        switch_grad(self._before.pop())

    def __call__(self, function: F) -> F:
        enabled = self._enabled

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with GradMode(enabled):
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


class no_grad(GradMode):
    """Switches recording off: `with no_grad(): ...`, or as a decorator.

    >>> import pyautograd as ag
    >>> x = ag.ones(2, requires_grad=True)
    >>> with ag.no_grad():
    ...     print((x * 2).requires_grad)
    False
    """

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(False)

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """`@no_grad` works as `@no_grad()` does."""
        mode = super().__new__(cls)
        if function is None:
            return mode
        GradMode.__init__(mode, False)
        return GradMode.__call__(mode, function)


class enable_grad(GradMode):
    """Switches recording on, inside `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(GradMode):
    """Switches recording at once; as a context manager, until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._before.append(is_grad_enabled())
        switch_grad(mode)

    def __enter__(self) -> None:
        pass


# Arrays changed in place: id of the owning array -> [weak reference, clock, name of the op].
_modified: dict[int, list[Any]] = {}


def _owner(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_modified(array: Any, op: str) -> None:
    """Notes that `op` has changed `array` in place, so that backward can refuse stale values."""
    owner = _owner(array)
    key = id(owner)
    with lock:
        state.clock += 1
        entry = _modified.get(key)
        if entry is None or entry[0]() is not owner:
            gone = lambda _, key=key: _modified.pop(key, None)  # noqa: E731
            _modified[key] = [weakref.ref(owner, gone), state.clock, op]
        else:
            entry[1:] = state.clock, op


def modified_since(array: Any, clock: int) -> str | None:
    """The op that has changed the array in place since that reading of `state.clock`, if any."""
    owner = _owner(array)
    entry = _modified.get(id(owner))
    if entry is not None and entry[1] > clock and entry[0]() is owner:
        return str(entry[2])
    return None
