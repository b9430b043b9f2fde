"""Drawing from distributions: coins, categories, and tensors filled in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd.op import has_values, method
from pyautograd.ops import elementwise as ew
from pyautograd.ops.elementwise import where
from pyautograd.ops.functions import log1p
from pyautograd.ops.inplace import assign
from pyautograd.ops.order import topk
from pyautograd.ops.random import Generator, rand, randint, randn
from pyautograd.ops.reduce import sum
from pyautograd.ops.statistics import count_nonzero
from pyautograd.tensor import Tensor

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
]


@method()
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the probability that stands in `input` (or with p), else 0, in its dtype."""
    if p is None:
        if has_values(input) and not ((input._array >= 0) & (input._array <= 1)).all():
            raise ValueError("bernoulli: expected probabilities within [0, 1]")
        threshold: Any = input.detach()
    else:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"bernoulli: expected p within [0, 1], got {p}")
        threshold = p
    drawn = rand(input.shape, dtype=_float_of(input), generator=generator)
    return ew.lt(drawn, threshold).to(input.dtype)


def _float_of(x: Tensor) -> Any:
    return x.dtype if x.is_floating_point() else np.float32


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of categories drawn by their weights, (k,) to (num_samples,) or (m, k) to (m, ...).

    Without `replacement`, by the largest of log(weight) plus Gumbel noise (Gumbel top-k).
    """
    if input.ndim not in (1, 2) or not input.is_floating_point():
        raise ValueError(
            "multinomial: expected float weights of 1 or 2 dimensions, got "
            f"{input.dtype} of shape {input.shape}"
        )
    weights = input.detach()
    if not bool(((weights >= 0) & (weights < math.inf)).all()):
        raise ValueError("multinomial: weights must be finite numbers of at least 0")
    if num_samples < 1 or not bool((sum(weights, -1) > 0).all()):
        raise ValueError("multinomial: expected num_samples and the sum of weights above 0")
    if not replacement:
        if bool((count_nonzero(weights, -1) < num_samples).any()):
            raise ValueError(
                f"multinomial: {num_samples} samples without replacement from fewer categories"
            )
        uniform = rand(weights.shape, dtype=weights.dtype, generator=generator)
        # The race: -log(1 - u) / weight are waiting times, of which the shortest win.
        waiting = ew.div(ew.neg(log1p(ew.neg(uniform))), weights)
        waiting = where(ew.eq(weights, 0.0), math.inf, waiting)
        return topk(waiting, num_samples, -1, largest=False).indices
    shape = (*weights.shape[:-1], num_samples)
    uniform = rand(shape, dtype=np.float64, generator=generator)
    total = weights.to(np.float64).cumsum(-1)
    place = ew.mul(uniform, total[..., -1:])
    passed = ew.le(total.unsqueeze(-2), place.unsqueeze(-1))  # (..., num_samples, k)
    return count_nonzero(passed, -1)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers of a mean and standard deviation: tensors, or numbers and a size."""
    if size is None:
        likely = [x for x in (mean, std) if isinstance(x, Tensor)]
        if not likely:
            raise TypeError("normal: of a mean and a deviation that are numbers, size is needed")
        size = np.broadcast_shapes(*[x.shape for x in likely])
        dtype = likely[0].dtype
    else:
        dtype = np.dtype(np.float32)
    return ew.add(ew.mul(randn(size, dtype=dtype, generator=generator), std), mean)


# ---- in place ------------------------------------------------------------------------------------


@method()
def uniform_(x: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Tensor:
    """Filled with uniform numbers in [a, b)."""
    if not a <= b:
        raise ValueError(f"uniform_: expected a <= b, got {a} and {b}")
    drawn = rand(x.shape, dtype=x.dtype, generator=generator)
    return assign(x, "uniform_", (...,), ew.add(ew.mul(drawn, b - a), a))


@method()
def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Filled with normal numbers."""
    if not std >= 0:
        raise ValueError(f"normal_: expected std >= 0, got {std}")
    drawn = randn(x.shape, dtype=x.dtype, generator=generator)
    return assign(x, "normal_", (...,), ew.add(ew.mul(drawn, std), mean))


@method()
def bernoulli_(x: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Filled with 1 with probability p (a number or a tensor), else 0."""
    drawn = rand(x.shape, dtype=_float_of(x), generator=generator)
    return assign(x, "bernoulli_", (...,), ew.lt(drawn, p).to(x.dtype))


@method()
def exponential_(x: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Filled with waiting times of mean 1 / lambd."""
    drawn = rand(x.shape, dtype=x.dtype, generator=generator)
    return assign(x, "exponential_", (...,), ew.div(ew.neg(log1p(ew.neg(drawn))), lambd))


@method()
def random_(x: Tensor, low: int = 0, high: int | None = None, *, generator: Any = None) -> Tensor:
    """Filled with integers in [low, high), `random_(high)` in [0, high)."""
    if high is None:
        largest = 2 ** (np.finfo(x.dtype).nmant + 1) if x.is_floating_point() else None
        low, high = (0, low) if low else (0, largest or np.iinfo(x.dtype).max)
    return assign(
        x, "random_", (...,), randint(low, high, x.shape, generator=generator).to(x.dtype)
    )
