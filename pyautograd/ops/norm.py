"""Normalisation to mean 0 and variance 1, and batch norm on top of it."""

from __future__ import annotations

import math
from typing import Any

from pyautograd import _C
from pyautograd.modes import no_grad
from pyautograd.op import primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.inplace import assign
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor

__all__ = [
    "batch_norm",
]

# An input is seen as (outer, channels, inner); statistics are taken per channel.
View = tuple[int, int, int]


def _mean(K: Any, x: Any, view: View) -> Any:
    """The mean per channel of x (outer, channels, inner), as (1, channels, 1)."""
    return K.sum(x, (0, 2), True, 1.0 / (view[0] * view[2]))


def _normalize_rule(K: Any, g: Any, saved: Any, needs: Any, view: View, eps: float) -> Any:
    return (K.normalize_grad(g, *saved, view, eps),)


def _normalize_grad_rule(K: Any, g: Any, saved: Any, needs: Any, view: View, eps: float) -> Any:
    """Of u -> r (u - m(u) - h m(u h)), with h = (x - m(x)) r, r = (var + eps)^(-1/2), m the mean.

    It is symmetric in u, so the gradient of u is the same map. That of x goes through h and r,
    which are recomputed here so that they are functions of x at every order. With n values a
    channel: dL/dh = -r (g m(u h) + u m(g h)), dL/dr = n m(g (u - m(u) - h m(u h))),
    dr/dx = -r^2 h / n, and h takes a gradient t back to r (t - m(t) - h m(t h)).
    """
    u, x, mean, var = saved
    shape = x.shape
    gu = needs[0] and K.normalize_grad(g, x, mean, var, view, eps)
    if needs[1] is None:
        return gu, None, None, None
    g, u, x = (K.reshape(a, view) for a in (g, u, x))
    centred = K.sub(x, _mean(K, x, view))
    r = K.pow(K.add(_mean(K, K.mul(centred, centred), view), eps), -0.5)
    h = K.mul(centred, r)
    uh, gh = _mean(K, K.mul(u, h), view), _mean(K, K.mul(g, h), view)
    through_h = K.neg(K.mul(r, K.add(K.mul(g, uh), K.mul(u, gh))))
    inner = K.sub(K.sub(u, _mean(K, u, view)), K.mul(h, uh))
    through_r = _mean(K, K.mul(g, inner), view)  # dL/dr / n
    through = K.sub(
        K.sub(through_h, _mean(K, through_h, view)),
        K.mul(h, _mean(K, K.mul(through_h, h), view)),
    )
    gx = K.sub(K.mul(r, through), K.mul(K.mul(K.mul(r, r), h), through_r))
    return gu, K.reshape(gx, shape), None, None


# normalize(x, view, eps) -> (x - mean) / sqrt(var + eps), mean (channels,), var (channels,) biased.
_normalize = primitive(
    "normalize",
    "normalisation",
    _C.normalize,
    _normalize_rule,
    lambda x, view, eps: (x.shape, x.dtype),
    saves=(0, OUT - 1, OUT - 2),
    fresh=True,
)
# normalize_grad(g, x, mean, var, view, eps): the gradient of x; mean and var are those of x.
primitive(
    "normalize_grad",
    "normalisation",
    _C.normalize_grad,
    _normalize_grad_rule,
    lambda g, x, mean, var, view, eps: (x.shape, x.dtype),
    saves=(0, 1, 2, 3),
    inputs=4,
)


def _per_channel(values: Any, ndim: int) -> Any:
    """A tensor (C,) as (C, 1, ...), beside an input (N, C, ...)."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of input (N, C, ...).

    In training the statistics are those of the batch, and the running ones move towards them by
    `momentum` (the variance by the unbiased one); otherwise the running ones are used.
    Ioffe and Szegedy, 2015.
    """
    if input.ndim < 2:
        raise ValueError(f"batch_norm: expected input (N, C, ...), got shape {input.shape}")
    channels = input.shape[1]
    for name, value in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight),
        ("bias", bias),
    ):  # fmt: skip
        if value is not None and value.shape != (channels,):
            raise ValueError(
                f"batch_norm: expected {name} of shape ({channels},) for input {input.shape}, "
                f"got {value.shape}"
            )
    if training:
        count = input.numel() // channels if channels else 0
        if count <= 1:
            raise ValueError(
                f"batch_norm: training needs more than 1 value per channel, got shape {input.shape}"
            )
        view = (input.shape[0], channels, math.prod(input.shape[2:]))
        out, mean, var = _normalize(input, view, eps)
        for running, batch, factor in (
            (running_mean, mean, 1.0), (running_var, var, count / (count - 1)),
        ):  # fmt: skip
            if running is not None:
                with no_grad():
                    moved = ew.add(ew.mul(running, 1 - momentum), ew.mul(batch, momentum * factor))
                    assign(running, "batch_norm", (...,), moved)
    else:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: evaluation needs running_mean and running_var")
        scale = ew.rsqrt(ew.add(running_var, eps))
        if weight is not None:
            scale = ew.mul(scale, weight)
        shift = ew.neg(ew.mul(running_mean, scale))
        if bias is not None:
            shift = ew.add(shift, bias)
        scaled = ew.mul(input, _per_channel(scale, input.ndim))
        return ew.add(scaled, _per_channel(shift, input.ndim))
    if weight is not None:
        out = ew.mul(out, _per_channel(weight, input.ndim))
    if bias is not None:
        out = ew.add(out, _per_channel(bias, input.ndim))
    return out
