"""Anomaly mode: finds the op, and the line of the program, that made the first NaN or infinity."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from pyautograd.graph import Node, RecordWatcher
from pyautograd.op import Op
from pyautograd.origin import users_line
from pyautograd.watch import node_in_backward, watch_ops

__all__ = ["AnomalyError", "detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


class AnomalyError(RuntimeError):
    """An op made a NaN or an infinity."""


def _described(x: Any) -> str:
    if not isinstance(x, np.ndarray):
        return repr(x)
    text = f"{x.dtype} of shape {x.shape}"
    if x.dtype.kind != "f" or not x.size:
        return text
    finite = x[np.isfinite(x)]
    if finite.size:
        text += f", from {finite.min():.6g} to {finite.max():.6g}"
    for what, count in (("NaN", np.isnan(x).sum()), ("infinite", np.isinf(x).sum())):
        if count:
            text += f", {count} {what}"
    return text


def _check(op: Op, args: tuple[Any, ...], run: Any) -> Any:
    result = run()
    for y in result if type(result) is tuple else (result,):
        if not isinstance(y, np.ndarray) or y.dtype.kind != "f" or np.isfinite(y).all():
            continue
        operands = args[0] if op.inputs < 0 else args
        floats = [
            x for x in operands if isinstance(x, float) or getattr(x, "dtype", None) in _FLOATS
        ]
        if np.isnan(y).any():
            if any(np.isnan(x).any() for x in floats):
                raise AnomalyError(_report(op, "got NaN, which no op has made since", operands, y))
            raise AnomalyError(_report(op, "made NaN", operands, y))
        if all(np.isfinite(x).all() for x in floats):
            raise AnomalyError(_report(op, "made an infinity of finite values", operands, y))
    return result


_FLOATS = (float, np.float32, np.float64)


def _report(op: Op, what: str, operands: Any, result: Any) -> str:
    node = node_in_backward()
    if node is None:
        lines = [f"anomaly: {op.name} {what}", f"at {users_line()}"]
    else:
        lines = [
            f"anomaly: {op.name}, in the backward of {node.op.name}, {what}",
            f"recorded at {getattr(node, 'where', 'a line outside of detect_anomaly')}",
        ]
    lines += [f"input {i}: {_described(x)}" for i, x in enumerate(operands) if x is not None]
    lines.append(f"result: {_described(result)}")
    lines.append(
        'to see its way: ag.viz.draw(loss, highlight="nan") before backward, out of this mode'
    )
    return "\n  ".join(lines)


class _NoteLines(RecordWatcher):
    """Notes the line that records each node."""

    def saw(self, node: Node) -> None:
        node.where = users_line()


_thread = threading.local()


def _switch(mode: detect_anomaly | None) -> detect_anomaly | None:
    """Puts this thread into that mode; returns the one it was in."""
    before: detect_anomaly | None = getattr(_thread, "mode", None)
    for watch in before._watches if before else ():
        watch.__exit__()
    for watch in mode._watches if mode else ():
        watch.__enter__()
    _thread.mode = mode
    return before


class detect_anomaly:
    """A context manager: the first NaN or infinity that an op makes in it raises AnomalyError.

    The message names the op, the line of the program that called it (or, in backward, that recorded
    the node), and the range of its inputs. An infinity is one only where all inputs were finite: a
    mask of -inf passes. Any other error in backward gets a note of the line. With
    `check_nan=False` there is the note alone. Each op takes several times as long.

    >>> import pyautograd as ag
    >>> x = ag.tensor([0.0, 4.0], requires_grad=True)
    >>> with ag.autograd.detect_anomaly():
    ...     y = x.sqrt().sum()
    ...     y.backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    pyautograd.autograd.anomaly_mode.AnomalyError: anomaly: div, in the backward of sqrt, made ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._watches: list[Any] = [_NoteLines()]
        if check_nan:
            self._watches.append(watch_ops(_check))
        self._before: list[Any] = []

    def __enter__(self) -> None:
        self._before.append(_switch(self))

    def __exit__(self, *exc: object) -> None:
        _switch(self._before.pop())


class set_detect_anomaly:
    """Switches anomaly mode of this thread on or off; as a context manager, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _switch(detect_anomaly(check_nan) if mode else None)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _switch(self._before)


def is_anomaly_enabled() -> bool:
    """Whether this thread is in anomaly mode."""
    return getattr(_thread, "mode", None) is not None
