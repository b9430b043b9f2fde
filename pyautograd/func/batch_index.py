"""Batching rules of indexing, and of the ops that in-place changes are recorded as.

Of x[key], the dimensions of the index tensors stand together: in the place of the first of them,
or in front of all others where slices lie between them (integers count as index tensors here).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.ops.index import PLACE
from pyautograd.ops.inplace import Region
from pyautograd.ops.shape import movedim
from pyautograd.tensor import wrap

K = tape.tensors


def position(key: tuple[Any, ...], ndim: int) -> int | None:
    """How many dimensions of x[key] come before those of the index tensors; None if all follow
    because the index tensors are apart.
    """
    advanced = [i for i, k in enumerate(key) if k is PLACE or isinstance(k, int)]
    if advanced[-1] - advanced[0] >= len(advanced):
        return None
    before = key[: advanced[0]]
    if Ellipsis in before:
        return len(before) - 1 + ndim - sum(1 for k in key if k is not None and k is not Ellipsis)
    return len(before)


def _with_numbers(places: Any, size: int) -> Any:
    """places (size, k, ...) as (k + 1, size, ...), the examples' numbers first."""
    rest = places.shape[2:]
    numbers = wrap(np.arange(size).reshape(1, size, *(1,) * len(rest)))
    numbers = K.expand(numbers, (1, size, *rest))
    return K.cat([numbers, movedim(places, 1, 0)], 0, (1, places.shape[1]))


def _moved(count: int, at: int, ndim: int) -> tuple[int, ...]:
    """Of (batch, index dimensions, others): with the index dimensions behind `at` of the others."""
    index, others = list(range(1, 1 + count)), list(range(1 + count, ndim))
    return (0, *others[:at], *index, *others[at:])


def index(c: Any) -> Any:
    (key,) = c.attrs
    count = len(c.given[1].shape) - 1  # dimensions of the index tensors
    at = position(key, len(c.given[0].shape))
    if not c.batched[1]:
        out = c.run(c.x[0], c.x[1], (slice(None), *key))
        return out if at is not None else movedim(out, count, 0)
    if not c.batched[0]:
        return movedim(c.run(c.x[0], movedim(c.x[1], 0, 1), key), at or 0, 0)
    out = c.run(c.x[0], _with_numbers(c.x[1], c.size), (PLACE, *key))
    return K.permute(out, _moved(count, at or 0, len(out.shape)))


def index_add(c: Any) -> Any:
    key, shape = c.attrs
    count = len(c.given[1].shape) - 1
    at = position(key, len(shape))
    g = c.full(0)
    if not c.batched[1]:
        g = g if at is not None else movedim(g, 0, count)
        return c.run(g, c.x[1], (slice(None), *key), (c.size, *shape))
    order = _moved(count, at or 0, len(g.shape))
    g = K.permute(g, tuple(np.argsort(order).tolist()))
    return c.run(g, _with_numbers(c.x[1], c.size), (PLACE, *key), (c.size, *shape))


def at_batch(where: Any, base: tuple[int, ...], size: int) -> Any:
    """A Region of tensors of shape `base`, or a key, as one of the batch of them."""
    if not isinstance(where, Region):
        return (slice(None), *where)
    return Region(
        where.offset,
        (size, *where.shape),
        (math.prod(base), *where.strides),
        (0, *[d + 1 for d in where.order]),
    )


def part_ndim(where: Any, base: tuple[int, ...]) -> int:
    if isinstance(where, Region):
        return len(where.shape)
    return np.broadcast_to(np.zeros((), bool), base)[where].ndim
