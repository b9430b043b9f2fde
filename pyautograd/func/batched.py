"""Batched: one tensor for the example of a batch, under vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

from pyautograd.func.levels import Level, Lifted
from pyautograd.op import Op
from pyautograd.tensor import Tensor


class Batched(Lifted):
    """An example of a batch: `outer` has all of them, along its dimension 0."""

    __slots__ = ("outer",)

    def __init__(self, outer: Tensor, level: Level) -> None:
        self.outer = outer
        self.at = level
        self._node = None
        self.grad = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.outer.shape[1:]

    @property
    def dtype(self) -> Any:
        return self.outer.dtype

    @property  # type: ignore[misc]
    def requires_grad(self) -> bool:
        return self.outer.requires_grad

    @property
    def _no_values(self) -> str:  # type: ignore[override]
        return (
            f"read or changed by Python (it is one of a batch of {self.at.size}): no branches and "
            "loops on values, no item() or numpy(), no changes of tensors in place; use where() "
            "and ops that make new tensors, or do it outside of vmap"
        )

    def __repr__(self) -> str:
        return f"Batched(level={self.level}, batch={self.at.size}, outer={self.outer!r})"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    @classmethod
    def _lifted(
        cls, op: Op, run: Callable[..., Any], given: list[Any], attrs: tuple[Any, ...], level: Level
    ) -> Any:
        from pyautograd.func.batch_call import Call
        from pyautograd.func.batch_rules import batch

        result = batch(Call(op, run, given, attrs, level))
        if type(result) is tuple:
            return tuple([cls(y, level) for y in result])
        return cls(result, level)


def is_batched(x: Any, level: Level) -> TypeGuard[Batched]:
    return isinstance(x, Batched) and x.at is level
