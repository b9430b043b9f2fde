"""Batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.dtypes import as_dtype, float32, int64
from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.norm import batch_norm
from pyautograd.tensor import Tensor, wrap


class _BatchNorm(Module):
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
        for name, value in (
            ("running_mean", np.zeros(shape, kind)),
            ("running_var", np.ones(shape, kind)),
            ("num_batches_tracked", np.zeros((), int64)),
        ):
            self.register_buffer(name, wrap(value) if track_running_stats else None)
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
        momentum = self.momentum
        if momentum is None:  # the plain average over all batches
            momentum = 1.0 / (batches.item() + 1.0)
        out = batch_norm(input, mean, var, self.weight, self.bias, True, momentum, self.eps)
        batches.add_(1)
        return out

    def extra_repr(self) -> str:
        """Arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


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
