"""Normalisation: by batch, and by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd.dtypes import as_dtype, float32, float64, int64
from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from pyautograd.ops.response_norm import local_response_norm
from pyautograd.tensor import Tensor, wrap


class _ByChannel(Module):
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _dims: tuple[int, ...]  # how many dimensions an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape, kind = (num_features,), as_dtype(dtype or float32)
        self.register_parameter("weight", new_parameter(shape, kind) if affine else None)
        self.register_parameter("bias", new_parameter(shape, kind) if affine and bias else None)
        for name, size, dtype in (
            ("running_mean", shape, kind),
            ("running_var", shape, kind),
            ("num_batches_tracked", (), int64),
        ):
            value = wrap(np.zeros(size, dtype)) if track_running_stats else None
            self.register_buffer(name, value)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets the statistics: mean 0, variance 1, no batch seen."""
        for buffer, value in (
            (self.running_mean, 0.0),
            (self.running_var, 1.0),
            (self.num_batches_tracked, 0),
        ):
            if buffer is not None:
                buffer.fill_(value)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """Arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ByChannel):
    def forward(self, input: Tensor) -> Tensor:
        """Input and output have one shape, channels second."""
        if input.ndim not in self._dims or input.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected input of {' or '.join(map(str, self._dims))} "
                f"dimensions with {self.num_features} channels (dimension 1), got shape "
                f"{input.shape}"
            )
        mean, var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        use_batch = self.training or mean is None
        if not use_batch or batches is None:
            return batch_norm(
                input, mean, var, self.weight, self.bias, use_batch, self.momentum or 0.0, self.eps
            )
        momentum: Any = self.momentum
        if momentum is None:  # the plain average over all batches
            momentum = 1.0 / (batches.to(float64) + 1.0)
        out = batch_norm(input, mean, var, self.weight, self.bias, True, momentum, self.eps)
        batches.add_(1)
        return out


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of (N, C) or (N, C, L).

    In training, mean and variance are the batch's, and the running ones move towards them by
    `momentum` (with None they are the average over all batches). In evaluation the running ones
    are used, if there are any (`track_running_stats`). Ioffe and Szegedy, 2015.

    >>> import pyautograd as ag
    >>> layer = ag.nn.BatchNorm1d(2)
    >>> layer(ag.tensor([[0.0, 1.0], [2.0, 3.0]])).mean(0).shape
    (2,)
    >>> layer.running_mean
    tensor([0.1000, 0.2000])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of images (N, C, H, W).

    In training, mean and variance are the batch's, and the running ones move towards them by
    `momentum` (with None they are the average over all batches). In evaluation the running ones
    are used, if there are any (`track_running_stats`). Ioffe and Szegedy, 2015.
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of volumes (N, C, D, H, W).

    As BatchNorm2d. Ioffe and Szegedy, 2015.
    """

    _dims = (5,)


class _InstanceNorm(_ByChannel):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias=bias, dtype=dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        """Input and output have one shape: (N, C, ...), or (C, ...) for one sample."""
        single = input.ndim == self._dims[0] - 1
        channels = 0 if single else 1
        if not (single or input.ndim in self._dims) or (
            self.affine and input.shape[channels] != self.num_features
        ):
            raise ValueError(
                f"{type(self).__name__}: expected input of {self._dims[0] - 1} or {self._dims[0]} "
                f"dimensions with {self.num_features} channels (dimension {channels}), got shape "
                f"{input.shape}"
            )
        out = instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) per sample and channel of (N, C, L) or (C, L).

    With `affine`, times weight plus bias. With `track_running_stats`, running statistics are kept,
    and used in evaluation. Ulyanov et al., 2016.
    """

    _dims = (3,)


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) per sample and channel of images (N, C, H, W) or (C, H, W).

    With `affine`, times weight plus bias. With `track_running_stats`, running statistics are kept,
    and used in evaluation. Ulyanov et al., 2016.
    """

    _dims = (4,)


class InstanceNorm3d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) per sample and channel of (N, C, D, H, W) or (C, D, H, W).

    As InstanceNorm2d. Ulyanov et al., 2016.
    """

    _dims = (5,)


class _BySample(Module):
    weight: Parameter | None
    bias: Parameter | None

    def _make(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any) -> None:
        self.register_parameter("weight", new_parameter(shape, dtype) if weight else None)
        self.register_parameter("bias", new_parameter(shape, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class GroupNorm(_BySample):
    """(x - mean) / sqrt(var + eps) * weight + bias per sample and group of channels.

    Input (N, num_channels, ...); weight and bias (num_channels,). Wu and He, 2018.

    >>> import pyautograd as ag
    >>> ag.nn.GroupNorm(2, 4)(ag.zeros(1, 4, 8, 8)).shape
    (1, 4, 8, 8)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels do not make {num_groups} groups")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make((num_channels,), affine, affine and bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Input and output have one shape, channels second."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(_BySample):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions.

    `normalized_shape`: their sizes; weight and bias have that shape. Ba et al., 2016.

    >>> import pyautograd as ag
    >>> ag.nn.LayerNorm(2)(ag.tensor([[1.0, 3.0]])).detach()
    tensor([[-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine = elementwise_affine
        self._make(self.normalized_shape, affine, affine and bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Input and output have one shape, (..., *normalized_shape)."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_BySample):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions.

    `normalized_shape`: their sizes; weight has that shape. `eps` is the input dtype's resolution
    unless given. Zhang and Sennrich, 2019.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter(
            "weight",
            new_parameter(self.normalized_shape, dtype) if elementwise_affine else None,
        )
        self.bias = None
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Input and output have one shape, (..., *normalized_shape)."""
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


def _shape_of(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LocalResponseNorm(Module):
    """input / (k + alpha / size * s)^beta, s the sum of squares over `size` channels around.

    (N, C, ...) in its shape. Krizhevsky et al., 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
