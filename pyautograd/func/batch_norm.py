"""Batching rules of normalisation: each example's channels are channels of their own.

(B, outer, channels, inner) is seen as (outer, B channels, inner), and groups as B times as many.
"""

from __future__ import annotations

import math
from typing import Any

from pyautograd import tape

K = tape.tensors


def _fold(c: Any, x: Any, outer: int, channels: int, inner: int) -> Any:
    x = K.permute(K.reshape(x, (c.size, outer, channels, inner)), (1, 0, 2, 3))
    return K.reshape(x, (outer, c.size * channels, inner))


def _unfold(c: Any, x: Any, shape: Any, outer: int, channels: int, inner: int) -> Any:
    x = K.permute(K.reshape(x, (outer, c.size, channels, inner)), (1, 0, 2, 3))
    return K.reshape(x, (c.size, *shape))


def _flat(c: Any, i: int) -> Any:
    """The weights of all examples, one after the other."""
    x = c.full(i)
    return None if x is None else K.reshape(x, (c.size * x.shape[1],))


def normalize(c: Any) -> Any:
    """Inputs x, weight, bias."""
    view, groups, eps, centred = c.attrs
    outer, channels, inner = view
    whole = (outer, c.size * channels, inner)
    x = _fold(c, c.full(0), *view)
    out, *found = c.run(x, _flat(c, 1), _flat(c, 2), whole, groups * c.size, eps, centred)
    rows, per_row = (outer, groups) if groups else (1, channels)
    return (
        _unfold(c, out, c.given[0].shape, *view),
        *[_unfold(c, s, (rows * per_row,), rows, per_row, 1) for s in found],
    )


def normalize_grad(c: Any) -> Any:
    """Inputs g, x, weight, mean, var."""
    view, groups, eps, centred = c.attrs
    outer, channels, inner = view
    whole = (outer, c.size * channels, inner)
    rows = (outer, groups, 1) if groups else (1, channels, 1)
    g, x = (_fold(c, c.full(i), *view) for i in (0, 1))
    mean, var = (K.reshape(_fold(c, c.full(i), *rows), (-1,)) for i in (3, 4))
    weight = _flat(c, 2)
    out = c.run(g, x, weight, mean, var, whole, groups * c.size, eps, centred)
    shape = c.given[1].shape
    if weight is None:
        return _unfold(c, out, shape, *view)
    n, total = math.prod(whole), c.size * channels
    gx = _unfold(c, K.slice(out, (slice(0, n),)), (math.prod(shape),), *view)
    gw, gb = (
        K.reshape(K.slice(out, (slice(start, start + total),)), (c.size, channels))
        for start in (n, n + total)
    )
    return K.cat([gx, gw, gb], 1, (math.prod(shape), channels, channels))
