"""Batch norm taken into the layer before it, for evaluation."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from pyautograd.modes import no_grad
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.create import ones_like, zeros_like
from pyautograd.ops.elementwise import rsqrt

M = TypeVar("M", bound=Module)


def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    """A copy of a convolution that gives what the batch norm after it would make of its result.

    Both in evaluation: then the norm is a scale and a shift of each channel, which the weights and
    the bias take over. `transpose`: a transposed convolution (of one group).

    >>> import pyautograd as ag
    >>> conv, bn = ag.nn.Conv2d(3, 4, 3).eval(), ag.nn.BatchNorm2d(4).eval()
    >>> both = ag.nn.utils.fuse_conv_bn_eval(conv, bn)
    >>> x = ag.rand(1, 3, 5, 5)
    >>> bool(((both(x) - bn(conv(x))).abs() < 1e-5).all())
    True
    """
    return _fused("fuse_conv_bn_eval", conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A copy of a linear layer that gives what the batch norm after it would make of its result.

    Both in evaluation; see `fuse_conv_bn_eval`.
    """
    return _fused("fuse_linear_bn_eval", linear, bn, 0)


def _fused(op: str, layer: M, bn: Any, dim: int) -> M:
    if layer.training or bn.training:
        raise ValueError(f"{op}: expected both modules in evaluation; call eval() on them")
    mean, var = bn.running_mean, bn.running_var
    if mean is None or var is None:
        raise ValueError(f"{op}: the batch norm keeps no running statistics")
    weight, bias = layer.weight, layer.bias
    channels = weight.shape[dim]
    if mean.shape != (channels,):
        raise ValueError(f"{op}: a norm of {mean.shape[0]} channels after a layer of {channels}")
    with no_grad():
        scale = rsqrt(var + bn.eps) * (ones_like(mean) if bn.weight is None else bn.weight)
        shift = zeros_like(mean) if bn.bias is None else bn.bias
        start = zeros_like(mean) if bias is None else bias
        shape = [1] * weight.ndim
        shape[dim] = channels
        fused = copy.deepcopy(layer)
        fused.weight = Parameter(weight * scale.reshape(shape), weight.requires_grad)
        wanted = True if bias is None else bias.requires_grad
        fused.bias = Parameter((start - mean) * scale + shift, wanted)
    return fused


__all__ = ["fuse_conv_bn_eval", "fuse_linear_bn_eval"]
