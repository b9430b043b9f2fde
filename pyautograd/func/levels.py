"""The transforms under way in a thread, outermost first.

`vmap` and `jvp` run a function on tensors that stand for others (`Batched`, `Dual`), each marked
with the level of its transform: 1 for the outermost. An op belongs to the highest level among its
operands; what that makes of it, it computes with the operands of the levels below.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyautograd.op import NoArrayError, Op, Stand
from pyautograd.tensor import Tensor


class Level:
    """A call of vmap (with its batch size and randomness) or of jvp."""

    __slots__ = ("number", "over", "randomness", "size", "transform")

    def __init__(self, transform: str, size: int = 0, randomness: str = "error") -> None:
        self.transform = transform
        self.size = size
        self.randomness = randomness
        self.number = len(active()) + 1
        self.over = False


class _Thread(threading.local):
    def __init__(self) -> None:
        self.stack: list[Level] = []


_thread = _Thread()


def active() -> list[Level]:
    """The levels under way, outermost first."""
    return _thread.stack


@contextlib.contextmanager
def entered(level: Level) -> Iterator[Level]:
    """While the function of a transform runs."""
    before = _thread.stack
    _thread.stack = [*before, level]
    try:
        yield level
    finally:
        _thread.stack = before
        level.over = True


@contextlib.contextmanager
def below(level: Level) -> Iterator[None]:
    """While an op of that level is computed with the operands of the levels below."""
    before = _thread.stack
    _thread.stack = before[: level.number - 1]
    try:
        yield
    finally:
        _thread.stack = before


class NoValuesError(NoArrayError, RuntimeError):
    """Python asked for the values of a tensor that stands for others."""


class Lifted(Stand):
    """A tensor that stands for others at a level."""

    __slots__ = ("at",)
    at: Level

    @property
    def level(self) -> int:  # type: ignore[override]
        return self.at.number

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        raise RuntimeError(
            f"{self.at.transform}: requires_grad_() on a tensor of its own; use func.grad or vjp "
            "inside it"
        )

    @property
    def _array(self) -> Any:
        raise NoValuesError(
            f"{self.at.transform}: a tensor of shape {self.shape} that stands for others cannot be "
            f"{self._no_values}"
        )

    _no_values = "changed in place, or put into another tensor; use the ops that make a new one"

    @classmethod
    def run_op(cls, op: Op, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        given = args[0] if op.inputs < 0 else args[: op.inputs]
        attrs = args[1:] if op.inputs < 0 else args[op.inputs :]
        level = highest(op.name, given)
        with below(level):
            return cls._lifted(op, run, list(given), attrs, level)

    @classmethod
    def _lifted(
        cls, op: Op, run: Callable[..., Any], given: list[Any], attrs: tuple[Any, ...], level: Level
    ) -> Any:
        """run(*given, *attrs), where some of the given are of this class and level."""
        raise NotImplementedError


def highest(name: str, operands: Sequence[Any]) -> Level:
    """The level that a call of `name` on these operands belongs to."""
    levels = [x.at for x in operands if isinstance(x, Lifted)]
    for level in levels:
        if level.over:
            raise RuntimeError(
                f"{name}: a tensor of a call of {level.transform} that is over; what is "
                "needed outside of the function must be returned by it"
            )
    return max(levels, key=lambda level: level.number)
