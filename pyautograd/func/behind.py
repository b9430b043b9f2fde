"""Under vmap and jvp: what stands behind a tensor, level by level.

Levels nest with the highest outside. A tensor of a higher level than the one asked for keeps that
level outside: the batch of an inner vmap stays dimension 0 of what it wraps.
"""

from __future__ import annotations

from typing import Any

from pyautograd import tape
from pyautograd.func.batched import Batched, is_batched
from pyautograd.func.dual import Dual, is_dual, zeros_like
from pyautograd.func.levels import Level
from pyautograd.op import Stand
from pyautograd.ops.shape import movedim
from pyautograd.tensor import Tensor

K = tape.tensors


def behind(x: Any) -> Tensor:
    """The tensor on the tape: the whole batch, the primal."""
    while isinstance(x, (Batched, Dual)):
        x = x.outer if isinstance(x, Batched) else x.primal
    return x


def all_behind(x: Any) -> tuple[Tensor, ...]:
    """All tensors on the tape that x stands for: tangents too."""
    if isinstance(x, Batched):
        return all_behind(x.outer)
    if isinstance(x, Dual):
        return (*all_behind(x.primal), *all_behind(x.tangent))
    return (x,)


def off_tape(x: Any) -> Any:
    """x without its place on the tape, at every level what it is."""
    if isinstance(x, Batched):
        return Batched(off_tape(x.outer), x.at)
    if isinstance(x, Dual):
        return Dual(off_tape(x.primal), off_tape(x.tangent), x.at)
    return x.detach() if x.requires_grad else x


def _is_above(x: Any, level: Level) -> bool:
    return isinstance(x, Stand) and x.level > level.number


def as_batch(x: Any, level: Level) -> Any:
    """All examples of x, the batch as dimension 0; repeated where x is not batched there."""
    if is_batched(x, level):
        return x.outer
    if _is_above(x, level):
        if isinstance(x, Dual):
            return Dual(as_batch(x.primal, level), as_batch(x.tangent, level), x.at)
        return Batched(movedim(as_batch(x.outer, level), 0, 1), x.at)
    return K.expand(x, (level.size, *x.shape))


def as_examples(x: Any, level: Level) -> Any:
    """The inverse: x has all examples along dimension 0."""
    if _is_above(x, level):
        if isinstance(x, Dual):
            return Dual(as_examples(x.primal, level), as_examples(x.tangent, level), x.at)
        return Batched(as_examples(movedim(x.outer, 1, 0), level), x.at)
    return Batched(x, level)


def parts(x: Any, level: Level) -> tuple[Any, Any]:
    """The primal at that level of jvp, and the tangent or None."""
    if is_dual(x, level):
        return x.primal, x.tangent
    if not _is_above(x, level):
        return x, None
    if isinstance(x, Batched):
        primal, tangent = parts(x.outer, level)
        return Batched(primal, x.at), None if tangent is None else Batched(tangent, x.at)
    primal, tangent = parts(x.primal, level)
    moving, both = parts(x.tangent, level)
    return Dual(primal, moving, x.at), (
        None
        if tangent is None and both is None
        else Dual(
            zeros_like(primal) if tangent is None else tangent,
            zeros_like(moving) if both is None else both,
            x.at,
        )
    )


def joined(primal: Any, tangent: Any, level: Level) -> Any:
    """The inverse: of a primal and a tangent, either of which may be None for zeros."""
    if tangent is None:
        return primal
    if primal is None:
        primal = zeros_like(tangent)
    stands = [x for x in (primal, tangent) if _is_above(x, level)]
    if not stands:
        return Dual(primal, tangent, level)
    top = max(stands, key=lambda x: x.level)
    outer = top.at
    if isinstance(top, Batched):
        pair = as_batch(primal, outer), as_batch(tangent, outer)
        return Batched(joined(*pair, level), outer)
    (p, dp), (t, dt) = parts(primal, outer), parts(tangent, outer)
    return Dual(
        joined(p, t, level),
        joined(zeros_like(p) if dp is None else dp, zeros_like(t) if dt is None else dt, level),
        outer,
    )
