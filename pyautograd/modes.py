"""Grad modes, and the versions of arrays that were changed in place.

Both are read on the hot path of every op, so both come down to one slot of `state`: recording is
on everywhere while `grad_off` is 0, and nothing has changed in place since a call was recorded
while `clock` stands where it stood.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


class _State:
    __slots__ = ("clock", "grad_off", "watching")

    def __init__(self) -> None:
        self.grad_off = 0  # threads that have recording switched off; 0 makes the usual test short
        self.clock = 0  # moves at each in-place change
        self.watching = 0  # watchers, in all threads, of what is recorded


state = _State()
lock = threading.RLock()
_thread = threading.local()


def is_grad_enabled() -> bool:
    """Whether ops on tensors that require a gradient are recorded in this thread."""
    return not state.grad_off or getattr(_thread, "enabled", True)


def switch_grad(enabled: bool) -> None:
    enabled = enabled and not is_inference_mode_enabled()
    if enabled != getattr(_thread, "enabled", True):
        with lock:
            state.grad_off += -1 if enabled else 1
        _thread.enabled = enabled


_IS_GENERATOR = 0x20  # inspect.CO_GENERATOR, without loading inspect


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
        code = getattr(function, "__code__", None)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if code is not None and code.co_flags & _IS_GENERATOR:
                return self._stepwise(function(*args, **kwargs))
            with self._again():
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    def _again(self) -> GradMode:
        """A mode like this, for one call: it may be entered in several threads at once."""
        return GradMode(self._enabled)

    def _stepwise(self, generator: Any) -> Any:
        """The generator in this mode, and in its own whoever takes its values one by one."""
        step, value = generator.send, None
        while True:
            try:
                with self._again():
                    out = step(value)
            except StopIteration as end:
                return end.value
            try:
                step, value = generator.send, (yield out)
            except GeneratorExit:
                with self._again():
                    generator.close()
                raise
            except BaseException as error:
                step, value = generator.throw, error


class no_grad(GradMode):
    """Switches recording off: `with no_grad(): ...`, or as a decorator.

    >>> import pyautograd as ag
    >>> x = ag.ones(2, requires_grad=True)
    >>> with ag.no_grad():
    ...     print((x * 2).requires_grad)
    False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """`@no_grad` works as `@no_grad()` does."""
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: None = None) -> None:
        super().__init__(False)


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


class inference_mode(GradMode):
    """As `no_grad`, and `enable_grad` in it changes nothing; `inference_mode(False)` undoes it.

    Unlike in PyTorch, tensors made in it may be used by recorded ops later, like any others.

    >>> import pyautograd as ag
    >>> x = ag.ones(2, requires_grad=True)
    >>> with ag.inference_mode(), ag.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        """`@inference_mode` works as `@inference_mode()` does."""
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)
        self._outside: list[bool] = []

    def __enter__(self) -> None:
        self._outside.append(is_inference_mode_enabled())
        _thread.inference = not self._enabled
        super().__enter__()

    def __exit__(self, *exc: object) -> None:
        _thread.inference = self._outside.pop()
        super().__exit__(*exc)

    def _again(self) -> GradMode:
        return inference_mode(not self._enabled)


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in `inference_mode`."""
    return getattr(_thread, "inference", False)


# Arrays changed in place, by the id of the array that owns the memory:
# [weak reference, clock, name of the op, how often].
_modified: dict[int, list[Any]] = {}


def owner(array: Any) -> Any:
    """The array whose memory this one shares."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_modified(array: Any, op: str) -> None:
    """Notes that `op` has changed `array` in place, so that backward can refuse stale values."""
    with lock:
        state.clock += 1
        mark_at_clock(array, op)


def mark_all_modified(arrays: Iterable[Any], op: str) -> None:
    """Notes that `op` has changed all of them, as `mark_modified` does for one."""
    with lock:
        state.clock += 1
        for array in arrays:
            mark_at_clock(array, op)


def mark_at_clock(array: Any, op: str) -> None:
    """The note for one of them, by who holds the lock and has moved the clock."""
    if array.base is not None:
        array = owner(array)
    key = id(array)
    entry = _modified.get(key)
    if entry is not None and entry[0]() is array:
        entry[1] = state.clock
        entry[2] = op
        entry[3] += 1
    else:
        gone = lambda _: _modified.pop(key, None)  # noqa: E731
        _modified[key] = [weakref.ref(array, gone), state.clock, op, 1]


def modified_since(array: Any, clock: int) -> str | None:
    """The op that has changed the array in place since that reading of `state.clock`, if any."""
    array = owner(array)
    entry = _modified.get(id(array))
    if entry is not None and entry[1] > clock and entry[0]() is array:
        return str(entry[2])
    return None


def version(array: Any) -> int:
    """How often the array's memory has been changed in place."""
    array = owner(array)
    entry = _modified.get(id(array))
    return entry[3] if entry is not None and entry[0]() is array else 0
