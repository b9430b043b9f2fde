"""Batching rules of the fused cross-entropy: the batch goes into the samples.

Its second output, `stats`, has arrays of the targets' shape along dimension 0: the largest logit,
1 / total, and the factors of the target's logit and of every logit, both divided by what the mean
divides by. See csrc/kernels/cross_entropy.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.ops.index import PLACE
from pyautograd.tensor import wrap

K = tape.tensors


def cross_entropy(c: Any, folded: Any, unfolded: Any) -> Any:
    """Without a reduction, which is done for each example afterwards."""
    x, classes, weight = c.full(0), c.full(1), c.x[2]
    ignore, reduction, smoothing = c.attrs
    n = x.shape[1]
    loss, stats = c.run(folded(x, 0), folded(classes, 0), weight, ignore, "none", smoothing)
    loss, stats = unfolded(loss, 0, c.size, n), unfolded(stats, 1, c.size, n)
    if reduction == "none":
        return loss, stats
    dims = tuple(range(1, len(loss.shape)))
    loss = K.sum(loss, dims, False, 1.0)
    if reduction == "sum":
        return loss, stats
    divisor = _divisor(classes, weight, ignore, dims, x.dtype)
    scale = K.where(K.eq(divisor, 0.0), 0.0, K.div(1.0, divisor))
    ones = wrap(np.ones((c.size, 2), x.dtype))
    twice = K.expand(K.reshape(scale, (c.size, 1)), (c.size, 2))
    factors = K.cat([ones, twice], 1, (2, 2))
    shape = (c.size, 4, *(1,) * len(dims))
    return K.div(loss, divisor), K.mul(stats, K.reshape(factors, shape))


def _divisor(classes: Any, weight: Any, ignore: int, dims: tuple[int, ...], dtype: Any) -> Any:
    """By example: how many samples count, or the sum of their weights."""
    counted = K.ne(classes, ignore)
    share = K.cast(counted, dtype)
    if weight is not None:
        index = K.reshape(K.where(counted, classes, 0), (1, *classes.shape))
        share = K.mul(share, K.index(weight, index, (PLACE,)))
    return K.sum(share, dims, False, 1.0)


def cross_entropy_grad(c: Any, folded: Any, unfolded: Any) -> Any:
    x, classes, weight, stats = c.full(1), c.full(2), c.x[3], c.full(4)
    g = c.full(0, len(classes.shape) - 1)
    if g is not None:
        g = folded(K.expand(g, classes.shape), 0)
    n = x.shape[1]
    out = c.run(g, folded(x, 0), folded(classes, 0), weight, folded(stats, 1))
    return unfolded(out, 0, c.size, n)
