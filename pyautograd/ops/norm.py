"""Normalisation to mean 0 and variance 1: batch, layer, group, instance and RMS norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.cost import per_element
from pyautograd.modes import no_grad
from pyautograd.op import primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.inplace import assign
from pyautograd.ops.reduce import mean as average
from pyautograd.ops.shape import reshape
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "rms_norm",
]

# ---- one op for all ------------------------------------------------------------------------------

# An input is seen as (outer, channels, inner), with a weight and a bias for each channel.
# Statistics are taken by channel if groups is 0, else by (outer, group). Where the input is not
# centred, the mean counts as 0.
View = tuple[int, int, int]


def _parts(K: Any, packed: Any, x: Any, channels: int) -> Any:
    """The gradients of x, weight and bias, from the flat array of them."""
    n = math.prod(x.shape)
    cuts = (slice(0, n), slice(n, n + channels), slice(n + channels, n + 2 * channels))
    gx, gw, gb = (K.slice(packed, (cut,)) for cut in cuts)
    return K.reshape(gx, x.shape), gw, gb


def _normalize_rule(
    K: Any, g: Any, saved: Any, needs: Any, view: View, groups: int, eps: float, centred: bool
) -> Any:
    x, weight, mean, var = saved
    out = K.normalize_grad(g, x, weight, mean, var, view, groups, eps, centred)
    if weight is None:
        return out, None, None
    gx, gw, gb = _parts(K, out, x, view[1])
    # Copies: the gradients of parameters live on, and would keep that of x.
    return needs[0] and gx, needs[1] and K.clone(gw), needs[2] and K.clone(gb)


def _normalize_grad_rule(
    K: Any, u: Any, saved: Any, needs: Any, view: View, groups: int, eps: float, centred: bool
) -> Any:
    """Of (g, x, weight) -> (A(v), sum(g h), sum(g)), where v = g weight.

    A(t) = r (t - m(t) - h m(t h)), with h = (x - m(x)) r, r = (var + eps)^(-1/2), m the mean over
    the values of a statistic. A is symmetric, and carries gradients of h back to x. h and r are
    recomputed here so that they are functions of x at every order.

    For x and L = <u, A(v)>: dL/dh = -r (u m(v h) + v m(u h)), dL/dr = n m(u (v - m(v) - h m(v h)))
    and dr/dx = -r^2 h / n.
    """
    g, x, weight, _, _ = saved
    outer, channels, inner = view
    shape, rows = x.shape, groups or channels
    four = (outer, rows, channels // rows if rows else 0, inner)
    dims = (2, 3) if groups else (0, 2, 3)
    count = math.prod([four[d] for d in dims])

    def m(t: Any) -> Any:
        return K.sum(t, dims, True, 1.0 / count if count else math.nan)

    def per_channel(t: Any) -> Any:
        return K.reshape(t, (1, rows, four[2], 1))

    uw = ub = None
    if weight is not None:
        u, uw, ub = _parts(K, u, x, channels)
    g, x, u = (K.reshape(t, four) for t in (g, x, u))
    c = K.sub(x, m(x)) if centred else x
    r = K.pow(K.add(m(K.mul(c, c)), eps), -0.5)
    h = K.mul(c, r)

    def without_mean(t: Any) -> Any:
        return K.sub(t, m(t)) if centred else t

    def A(t: Any) -> Any:
        return K.mul(r, K.sub(without_mean(t), K.mul(h, m(K.mul(t, h)))))

    v, Au = g, A(u)
    gg, gw = Au, None
    if weight is not None:
        w = per_channel(weight)
        v = K.mul(g, w)
        gg = K.add(K.mul(Au, w), K.add(K.mul(h, per_channel(uw)), per_channel(ub)))
        gw = needs[2] and K.reshape(K.sum(K.mul(g, Au), (0, 3), False, 1.0), (channels,))
    gx = None
    if needs[1] is not None:
        vh, uh = m(K.mul(v, h)), m(K.mul(u, h))
        through_h = K.neg(K.mul(r, K.add(K.mul(u, vh), K.mul(v, uh))))
        if weight is not None:
            through_h = K.add(through_h, K.mul(g, per_channel(uw)))
        through_r = m(K.mul(u, K.sub(without_mean(v), K.mul(h, vh))))  # dL/dr / n
        gx = K.sub(A(through_h), K.mul(K.mul(K.mul(r, r), h), through_r))
        gx = K.reshape(gx, shape)
    return needs[0] and K.reshape(gg, shape), gx, gw, None, None


def _infer_grad(g: Any, x: Any, weight: Any, mean: Any, var: Any, view: View, *rest: Any) -> Any:
    return (math.prod(x.shape) + 2 * view[1],) if weight is not None else x.shape, x.dtype


# normalize(x, weight, bias, view, groups, eps, centred)
#     -> (x - mean) / sqrt(var + eps) * weight + bias, mean, var (biased)
_normalize = primitive(
    "normalize",
    "normalisation",
    _C.normalize,
    _normalize_rule,
    lambda x, weight, bias, view, groups, eps, centred: (x.shape, x.dtype),
    saves=(0, 1, OUT - 1, OUT - 2),
    inputs=3,
    fresh=True,
    flops=per_element(8),  # mean 1, variance 3, difference and scale 2, weight and bias 2
)
# normalize_grad(g, x, weight, mean, var, view, groups, eps, centred): the gradient of x; with a
# weight, a flat array of it and those of weight and bias: three results of one pass.
primitive(
    "normalize_grad",
    "normalisation",
    _C.normalize_grad,
    _normalize_grad_rule,
    _infer_grad,
    saves=(0, 1, 2, 3, 4),
    inputs=5,
    fresh=True,
    flops=per_element(10),  # the normalised input 2, two sums 4, their combination 4
)


def _affine(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    view: View,
    groups: int,
    eps: float,
    centred: bool = True,
) -> Any:
    """(result, mean, var); weight and bias of any shape with one value a channel."""
    channels = view[1]
    flat = [t if t is None or t.ndim == 1 else reshape(t, (channels,)) for t in (weight, bias)]
    if flat[0] is not None or flat[1] is None:
        return _normalize(input, *flat, view, groups, float(eps), centred)
    out, mean, var = _normalize(input, None, None, view, groups, float(eps), centred)
    seen = ew.add(reshape(out, view), reshape(flat[1], (channels, 1)))
    return reshape(seen, input.shape), mean, var


# ---- by channel ----------------------------------------------------------------------------------


def _per_channel(values: Any, ndim: int) -> Any:
    """A tensor (C,) as (C, 1, ...), beside an input (N, C, ...)."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def _check_channels(op: str, input: Tensor, **values: Tensor | None) -> int:
    if input.ndim < 2:
        raise ValueError(f"{op}: expected input (N, C, ...), got shape {input.shape}")
    channels: int = input.shape[1]
    for name, value in values.items():
        if value is not None and value.shape != (channels,):
            raise ValueError(
                f"{op}: expected {name} of shape ({channels},) for input {input.shape}, "
                f"got {value.shape}"
            )
    return channels


def _move(op: str, running: Tensor | None, value: Tensor, momentum: float) -> None:
    """A running statistic towards the value of this batch."""
    if running is not None:
        with no_grad():
            moved = ew.add(ew.mul(running, 1 - momentum), ew.mul(value, momentum))
            assign(running, op, (...,), moved)


def _by_running(
    op: str, input: Tensor, mean: Any, var: Any, weight: Any, bias: Any, eps: float
) -> Tensor:
    if mean is None or var is None:
        raise ValueError(f"{op}: evaluation needs running_mean and running_var")
    scale = ew.rsqrt(ew.add(var, eps))
    if weight is not None:
        scale = ew.mul(scale, weight)
    shift = ew.neg(ew.mul(mean, scale))
    if bias is not None:
        shift = ew.add(shift, bias)
    scaled = ew.mul(input, _per_channel(scale, input.ndim))
    return ew.add(scaled, _per_channel(shift, input.ndim))


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
    op = "batch_norm"
    channels = _check_channels(
        op, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not training:
        return _by_running(op, input, running_mean, running_var, weight, bias, eps)
    count = input.numel() // channels if channels else 0
    if count <= 1:
        raise ValueError(
            f"batch_norm: training needs more than 1 value per channel, got shape {input.shape}"
        )
    view = (input.shape[0], channels, math.prod(input.shape[2:]))
    out, mean, var = _affine(input, weight, bias, view, 0, eps)
    _move(op, running_mean, mean, momentum)
    _move(op, running_var, ew.mul(var, count / (count - 1)), momentum)
    return out


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias per sample and channel of input (N, C, ...).

    The running statistics move towards the mean of the samples' by `momentum`; they are used where
    `use_input_stats` is false. Ulyanov et al., 2016.
    """
    op = "instance_norm"
    channels = _check_channels(
        op, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not use_input_stats:
        return _by_running(op, input, running_mean, running_var, weight, bias, eps)
    count = math.prod(input.shape[2:])
    if count <= 1:
        raise ValueError(
            f"{op}: expected more than 1 value per sample and channel, got shape {input.shape}"
        )
    if not channels:
        return input
    view = (input.shape[0], channels, count)
    out, mean, var = _affine(input, weight, bias, view, channels, eps)
    for running, by_sample, factor in (
        (running_mean, mean, 1.0), (running_var, var, count / (count - 1)),
    ):  # fmt: skip
        if running is not None:
            value = average(reshape(by_sample, (-1, channels)), 0)
            _move(op, running, ew.mul(value, factor), momentum)
    return out


# ---- by sample -----------------------------------------------------------------------------------


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias per sample and group of channels.

    input (N, C, ...), with C a multiple of `num_groups`; weight and bias (C,). Wu and He, 2018.

    >>> import pyautograd as ag
    >>> ag.nn.functional.group_norm(ag.tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    channels = _check_channels("group_norm", input, weight=weight, bias=bias)
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"group_norm: {channels} channels of input {input.shape} do not make {num_groups} "
            "groups"
        )
    view = (input.shape[0], channels, math.prod(input.shape[2:]))
    return _affine(input, weight, bias, view, num_groups, eps)[0]


def _last_dims(op: str, input: Tensor, shape: Any, **values: Tensor | None) -> View:
    """The input as (rows, values of a row, 1)."""
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    lead = input.ndim - len(wanted)
    if not wanted or lead < 0 or input.shape[lead:] != wanted:
        raise ValueError(
            f"{op}: expected input whose last dimensions are {wanted}, got shape {input.shape}"
        )
    for name, value in values.items():
        if value is not None and value.shape != wanted:
            raise ValueError(f"{op}: expected {name} of shape {wanted}, got {value.shape}")
    return math.prod(input.shape[:lead]), math.prod(wanted), 1


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, `normalized_shape`.

    weight and bias have that shape. Ba et al., 2016.

    >>> import pyautograd as ag
    >>> ag.nn.functional.layer_norm(ag.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    view = _last_dims("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return _affine(input, weight, bias, view, 1, eps)[0]


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions, `normalized_shape`.

    weight has that shape; `eps` is the dtype's resolution unless given. Zhang and Sennrich, 2019.

    >>> import pyautograd as ag
    >>> ag.nn.functional.rms_norm(ag.tensor([3.0, 4.0]), 2)
    tensor([0.8485, 1.1314])
    """
    view = _last_dims("rms_norm", input, normalized_shape, weight=weight)
    if eps is None:
        eps = float(np.finfo(input.dtype).eps) if input.is_floating_point() else 0.0
    return _affine(input, weight, None, view, 1, eps, False)[0]
