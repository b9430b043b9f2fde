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

from pyautograd import _C

F = TypeVar("F", bound=Callable[..., Any])


class _State:
    __slots__ = ("building", "clock", "grad_off", "layouts", "lent", "tracing", "watching")

    def __init__(self) -> None:
        self.grad_off = 0  # threads that have recording switched off; 0 makes the usual test short
        self.clock = 0  # moves at each in-place change
        self.lent: Any = None  # another one when memory is handed out: see `lend`
        self.watching = 0  # watchers, in all threads, of what is recorded
        self.building = 0  # graphs of placeholders that are alive: see static/placeholder.py
        self.tracing = 0  # threads in which a graph is being built: see `tracer`
        # Moves when a plan made earlier may no longer fit: a module's mode, a tensor's array or
        # whether it requires a gradient has changed.
        self.layouts = 0


state = _State()
lock = threading.RLock()


class _Thread(threading.local):
    enabled = True
    inference = False


_thread = _Thread()


def is_grad_enabled() -> bool:
    """Whether ops on tensors that require a gradient are recorded in this thread."""
    return not state.grad_off or _thread.enabled


def switch_grad(enabled: bool) -> None:
    enabled = enabled and not _thread.inference
    if enabled is not _thread.enabled:
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
        self._before.append(_thread.enabled)
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
    return _thread.inference


# ---- building static graphs ----------------------------------------------------------------------

_tracer = threading.local()


def tracer() -> Any:
    """What builds a static graph of the ops of this thread, or None. Ask only if state.tracing."""
    return getattr(_tracer, "value", None)


def in_graph() -> bool:
    """Whether this thread is building a static graph, so that ops compute nothing."""
    return bool(state.tracing) and tracer() is not None


def refuse_in_graph(what: str) -> None:
    """GraphError where a static graph is being built: Python would do it once, not at each run."""
    if in_graph():
        from pyautograd.graph import GraphError

        raise GraphError(f"{what} cannot be part of a static graph; do it outside of the function")


class tracing:
    """A context manager: what this thread does goes to a tracer of static/trace.py."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __enter__(self) -> Any:
        self._before, _tracer.value = tracer(), self._value
        with lock:
            state.tracing += 1
        return self._value

    def __exit__(self, *exc: object) -> None:
        _tracer.value = self._before
        with lock:
            state.tracing -= 1


# ---- changes in place ----------------------------------------------------------------------------


class Changes:
    """Changes in place of some arrays by one op, always together: how many, and when the last."""

    __slots__ = ("clock", "count", "op")

    def __init__(self, op: str) -> None:
        self.op = op
        self.clock = 0
        self.count = 0

    def mark(self) -> None:
        """Notes one more, so that backward can refuse stale values."""
        with lock:
            state.clock = self.clock = state.clock + 1
            self.count += 1


class _History:
    """The changes of one array: those of it alone by op, and those together with others."""

    __slots__ = ("alone", "array", "together")

    def __init__(self, array: Any, gone: Callable[[Any], Any]) -> None:
        self.array = weakref.ref(array, gone)
        self.alone: dict[str, Changes] = {}
        self.together: list[Changes] = []

    def all(self) -> list[Changes]:
        return [*self.alone.values(), *self.together]


# By the id of the array that owns the memory.
_modified: dict[int, _History] = {}


def owner(array: Any) -> Any:
    """The array whose memory this one shares."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _known(array: Any) -> _History | None:
    array = owner(array)
    history = _modified.get(id(array))
    return history if history is not None and history.array() is array else None


def _history(array: Any) -> _History:
    history = _known(array)
    if history is None:
        array = owner(array)
        key = id(array)
        history = _modified[key] = _History(array, lambda _: _modified.pop(key, None))
    return history


def mark_modified(array: Any, op: str) -> None:
    """Notes that `op` has changed `array` in place, so that backward can refuse stale values."""
    with lock:
        state.clock += 1
        mark_at_clock(array, op)


def mark_at_clock(array: Any, op: str) -> None:
    """The note of it, by who holds the lock and has moved the clock."""
    history = _modified.get(id(array))
    if history is None or history.array() is not array:
        history = _history(array)
    changes = history.alone.get(op)
    if changes is None:
        changes = history.alone[op] = Changes(op)
    changes.clock = state.clock
    changes.count += 1


def changed_together(arrays: Iterable[Any], op: str) -> Changes:
    """Changes of these arrays by `op`: one `mark()` notes them all."""
    changes = Changes(op)
    with lock:
        for array in arrays:
            _history(array).together.append(changes)
    return changes


def modified_since(array: Any, clock: int) -> str | None:
    """The op that has changed the array in place since that reading of `state.clock`, if any."""
    history = _known(array)
    if history is not None:
        last = max(history.all(), key=lambda changes: changes.clock)
        if last.clock > clock:
            return last.op
    return None


def any_modified_since(owners: dict[int, Any], clock: int) -> bool:
    """Whether one of these arrays, by their ids, which own their memory, was changed since."""
    if clock == state.clock:
        return False
    for key, array in owners.items():
        history = _modified.get(key)
        if history is not None and history.array() is array:
            for changes in history.all():
                if changes.clock > clock:
                    return True
    return False


def version(array: Any) -> int:
    """How often the array's memory has been changed in place."""
    history = _known(array)
    return 0 if history is None else sum(changes.count for changes in history.all())


# ---- memory in other hands -----------------------------------------------------------------------


def lend(array: Any) -> None:
    """Notes that the array is handed out: from now on it may change, and nothing will tell."""
    if isinstance(array, np.ndarray) and _C.lend(array):
        state.lent = object()
