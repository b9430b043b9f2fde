"""Dual: a tensor with its tangent, under jvp. The rules of forward mode are the ops' own records.

Of y = op(x) with tangents x', the tangent is y' = J x':

    element-wise: J is diagonal, so the gradient rule applied to x' is J x'.
    linear in an input (`Op.linear`): the op itself, with x' in place of x.
    all others: the gradient rule is a linear map g -> Jᵀ g; it is transposed by its own gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

from pyautograd import tape
from pyautograd.func.levels import Level, Lifted
from pyautograd.op import Op, _keeper
from pyautograd.tensor import Tensor, wrap

K = tape.tensors


class Dual(Lifted):
    """A primal and its tangent, of one shape and dtype. What Python reads is the primal."""

    __slots__ = ("primal", "tangent")

    def __init__(self, primal: Tensor, tangent: Tensor, level: Level) -> None:
        self.primal = primal
        self.tangent = tangent
        self.at = level
        self._node = None
        self.grad = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.primal.shape

    @property
    def dtype(self) -> Any:
        return self.primal.dtype

    @property  # type: ignore[misc]
    def requires_grad(self) -> bool:
        return self.primal.requires_grad

    def item(self) -> Any:
        return self.primal.item()

    def tolist(self) -> Any:
        return self.primal.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        return self.primal.numpy(force=force)

    def __bool__(self) -> bool:
        return bool(self.primal)

    def __index__(self) -> int:
        return self.primal.__index__()

    def __repr__(self) -> str:
        return f"Dual(level={self.level}, primal={self.primal!r}, tangent={self.tangent!r})"

    def __format__(self, spec: str) -> str:
        return format(self.primal, spec)

    @classmethod
    def _lifted(
        cls, op: Op, run: Callable[..., Any], given: list[Any], attrs: tuple[Any, ...], level: Level
    ) -> Any:
        primals = [x.primal if is_dual(x, level) else x for x in given]
        tangents = [x.tangent if is_dual(x, level) else None for x in given]
        result = run(*([primals] if op.inputs < 0 else primals), *attrs)
        if op.rule is None:
            return result
        outputs = result if type(result) is tuple else (result,)
        tangent = _push(op, run, primals, tangents, outputs, attrs)
        first = outputs[0] if tangent is None else cls(outputs[0], tangent, level)
        return (first, *outputs[1:]) if type(result) is tuple else first


def is_dual(x: Any, level: Level) -> TypeGuard[Dual]:
    return isinstance(x, Dual) and x.at is level


def zeros_like(x: Tensor) -> Tensor:
    return wrap(np.zeros(x.shape, x.dtype))


# ---- the tangent of an op's output ---------------------------------------------------------------


def _push(
    op: Op,
    run: Callable[..., Any],
    primals: list[Any],
    tangents: list[Any],
    outputs: tuple[Any, ...],
    attrs: tuple[Any, ...],
) -> Any:
    if op.inputs < 0 and op.linear:
        filled = [zeros_like(x) if t is None else t for x, t in zip(primals, tangents, strict=True)]
        return run(filled, *attrs)
    y = outputs[0]
    total = None
    for i, t in enumerate(tangents):
        if t is None:
            continue
        if i in op.linear:
            part = run(*_in_place_of(op, primals, i, t), *attrs)
        else:
            saved = _keeper(op.saves)(primals, outputs)
            needs = tuple([True if j == i else None for j in range(len(primals))])
            rule = _rule_of_one(op, saved, needs, attrs, i)
            part = _along_diagonal(rule, t, y) if op.kind == "elementwise" else None
            if part is None and op.kind != "elementwise":
                part = _transposed(rule, primals[i], t, y)
        if part is not None:
            total = part if total is None else K.add(total, part)
    return total


def _in_place_of(op: Op, primals: list[Any], i: int, tangent: Any) -> list[Any]:
    """The operands with the tangent for number i; a contraction without its bias."""
    bare = op.kind == "contraction"
    return [
        tangent if j == i else None if bare and j not in op.linear else x
        for j, x in enumerate(primals)
    ]


def _rule_of_one(op: Op, saved: Any, needs: Any, attrs: Any, i: int) -> Callable[[Any], Any]:
    """g -> the gradient of input i, or None."""
    return lambda g: op.rule(K, g, saved, needs, *attrs)[i]  # type: ignore[misc]


def _along_diagonal(rule: Callable[[Any], Any], t: Any, y: Any) -> Any:
    if t.dtype != y.dtype:
        t = K.cast(t, y.dtype)
    part = rule(t if t.shape == y.shape else K.expand(t, y.shape))
    return part if part is None or part.dtype == y.dtype else K.cast(part, y.dtype)


def _transposed(rule: Callable[[Any], Any], x: Any, t: Any, y: Any) -> Any:
    from pyautograd.func.reverse import vjp

    def gradient(g: Any) -> Any:
        found = rule(g)
        return zeros_like(x) if found is None else K.to_layout(found, x.shape, x.dtype)

    _, pull = vjp(gradient, zeros_like(y))
    return pull(t)[0]
