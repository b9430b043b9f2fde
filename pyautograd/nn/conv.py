"""Convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.conv import Pair, conv2d, per_dim
from pyautograd.ops.conv_nd import conv1d, conv3d
from pyautograd.ops.shape import pad
from pyautograd.tensor import Tensor

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class ConvBase(Module):
    """What the convolutions and the transposed ones share."""

    _dims: ClassVar[int]
    _transposed: ClassVar[bool] = False
    bias: Parameter | None
    padding: str | tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair | str,
        dilation: Pair,
        output_padding: Pair,
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: Any,
    ) -> None:
        super().__init__()
        name, dims = type(self).__name__, self._dims
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: {in_channels} input and {out_channels} output channels do not divide "
                f"into {groups} groups"
            )
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"{name}: padding_mode is one of {', '.join(_PADDING_MODES)}, got {padding_mode!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_dim(name, "kernel_size", kernel_size, dims)
        self.stride = per_dim(name, "stride", stride, dims)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding is numbers, 'valid' or 'same', got {padding!r}")
            if padding == "same" and max(self.stride) != 1:
                raise ValueError(f"{name}: padding='same' needs stride 1")
            self.padding = padding
        else:
            self.padding = per_dim(name, "padding", padding, dims, 0)
        self.dilation = per_dim(name, "dilation", dilation, dims)
        self.output_padding = per_dim(name, "output_padding", output_padding, dims, 0)
        self.groups = groups
        self.padding_mode = padding_mode
        two = (out_channels, in_channels // groups)
        if self._transposed:
            two = (in_channels, out_channels // groups)
        self.weight = new_parameter((*two, *self.kernel_size), dtype)
        self.register_parameter("bias", new_parameter((out_channels,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new starting values."""
        init.default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, and what differs from the defaults."""
        zeros, ones = (0,) * self._dims, (1,) * self._dims
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(ConvBase):
    """A convolution of any number of dimensions."""

    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, dtype,
        )  # fmt: skip

    def _border(self) -> list[int]:
        """What the padding adds before and after each dimension, the last one first."""
        if not isinstance(self.padding, str):
            return [n for p in self.padding[::-1] for n in (p, p)]
        if self.padding == "valid":
            return [0, 0] * self._dims
        total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return [n for t in total[::-1] for n in (t // 2, t - t // 2)]  # an odd rest goes last

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, ...) to (N, out_channels, ...)."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._border(), self.padding_mode), 0
        return type(self)._function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(_Conv):
    """The cross-correlation of sequences with filters: see `nn.functional.conv1d`.

    (N, in_channels, L) to (N, out_channels, L'), or both without N; sizes, starting values and
    arguments as in `Conv2d`. weight (out_channels, in_channels / groups, k).

    >>> import pyautograd as ag
    >>> ag.nn.Conv1d(3, 8, 5, stride=2, padding=2)(ag.zeros(2, 3, 16)).shape
    (2, 8, 8)
    """

    _dims = 1
    _function = staticmethod(conv1d)


class Conv2d(_Conv):
    """The cross-correlation of images with filters: see `nn.functional.conv2d`.

    (N, in_channels, H, W) to (N, out_channels, H', W'), or both without N;
    H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.
    weight (out_channels, in_channels / groups, kh, kw), bias (out_channels,), both uniform within
    ±1 / sqrt(in_channels / groups * kh * kw) at first. `padding` may be "same" or "valid".

    >>> import pyautograd as ag
    >>> ag.nn.Conv2d(3, 8, 3, padding=1)(ag.zeros(2, 3, 16, 16)).shape
    (2, 8, 16, 16)
    """

    _dims = 2
    _function = staticmethod(conv2d)


class Conv3d(_Conv):
    """The cross-correlation of volumes with filters: see `nn.functional.conv3d`.

    (N, in_channels, D, H, W) to (N, out_channels, D', H', W'), or both without N; sizes, starting
    values and arguments as in `Conv2d`. weight (out_channels, in_channels / groups, kd, kh, kw).

    >>> import pyautograd as ag
    >>> ag.nn.Conv3d(3, 8, 3, padding=1)(ag.zeros(2, 3, 4, 16, 16)).shape
    (2, 8, 4, 16, 16)
    """

    _dims = 3
    _function = staticmethod(conv3d)
