"""Convolution."""

from __future__ import annotations

from typing import Any

from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.conv import Pair, conv2d, pair
from pyautograd.ops.shape import pad
from pyautograd.tensor import Tensor

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(Module):
    """The cross-correlation of images with filters: see `nn.functional.conv2d`.

    (N, in_channels, H, W) to (N, out_channels, H', W'), or both without N;
    H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.
    weight (out_channels, in_channels / groups, kh, kw), bias (out_channels,), both uniform within
    ±1 / sqrt(in_channels / groups * kh * kw) at first. `padding` may be "same" or "valid".

    >>> import pyautograd as ag
    >>> ag.nn.Conv2d(3, 8, 3, padding=1)(ag.zeros(2, 3, 16, 16)).shape
    (2, 8, 16, 16)
    """

    bias: Parameter | None

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
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: {in_channels} input and {out_channels} output channels do not divide "
                f"into {groups} groups"
            )
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"Conv2d: padding_mode is one of {', '.join(_PADDING_MODES)}, got {padding_mode!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size)
        self.stride = pair("Conv2d", "stride", stride)
        self.padding: str | tuple[int, int]
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Conv2d: padding is numbers, 'valid' or 'same', got {padding!r}")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError("Conv2d: padding='same' needs stride 1")
            self.padding = padding
        else:
            self.padding = pair("Conv2d", "padding", padding, 0)
        self.dilation = pair("Conv2d", "dilation", dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = new_parameter(shape, dtype)
        self.register_parameter("bias", new_parameter((out_channels,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new starting values."""
        init.default_(self.weight, self.bias)

    def _border(self) -> tuple[int, int, int, int]:
        """What the padding adds on the left, right, top and bottom; an odd rest goes last."""
        if not isinstance(self.padding, str):
            h, w = self.padding
            return w, w, h, h
        if self.padding == "valid":
            return 0, 0, 0, 0
        total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        (top, left), (bottom, right) = [n // 2 for n in total], [n - n // 2 for n in total]
        return left, right, top, bottom

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._border(), self.padding_mode), 0  # type: ignore[assignment]
        return conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """Sizes, and what differs from the defaults."""
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)
