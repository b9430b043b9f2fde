"""Transposed convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pyautograd.nn.conv import ConvBase
from pyautograd.ops.conv import Pair
from pyautograd.ops.conv_nd import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    transposed_size,
)
from pyautograd.tensor import Tensor


class _ConvTranspose(ConvBase):
    """A transposed convolution of any number of dimensions."""

    _transposed = True
    _function: ClassVar[Callable[..., Tensor]]
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode is 'zeros' only, got {padding_mode!r}")
        if isinstance(padding, str):
            raise TypeError(f"{name}: expected padding as numbers, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, dtype,
        )  # fmt: skip

    def _output_padding(self, input: Tensor, size: Sequence[int]) -> tuple[int, ...]:
        """What makes the output as large as `size`, which may name N and the channels too."""
        name, dims = type(self).__name__, self._dims
        wanted = tuple(size)
        if len(wanted) == input.ndim:
            wanted = wanted[-dims:]
        geometry = zip(
            input.shape[-dims:],
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            strict=True,
        )
        least = tuple([transposed_size(*g) for g in geometry])
        most = tuple([n + s - 1 for n, s in zip(least, self.stride, strict=True)])
        if len(wanted) != dims or any(
            not a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)
        ):
            raise ValueError(f"{name}: output_size lies between {least} and {most}, got {size}")
        return tuple([n - a for n, a in zip(wanted, least, strict=True)])

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, ...) to (N, out_channels, ...).

        `output_size` picks one of the sizes that stride leaves open, instead of `output_padding`.
        """
        extra = self.output_padding
        if output_size is not None:
            extra = self._output_padding(input, output_size)
        return type(self)._function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTranspose):
    """`ConvTranspose2d` of sequences: see `nn.functional.conv_transpose1d`.

    (N, in_channels, L) to (N, out_channels, L'), or both without N.

    >>> import pyautograd as ag
    >>> ag.nn.ConvTranspose1d(3, 8, 4, stride=2, padding=1)(ag.zeros(2, 3, 16)).shape
    (2, 8, 32)
    """

    _dims = 1
    _function = staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The transposed convolution of images: see `nn.functional.conv_transpose2d`.

    (N, in_channels, H, W) to (N, out_channels, H', W'), or both without N;
    H' = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.
    weight (in_channels, out_channels / groups, kh, kw), bias (out_channels,), both uniform within
    ±1 / sqrt(out_channels / groups * kh * kw) at first.

    >>> import pyautograd as ag
    >>> layer = ag.nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1)
    >>> layer(ag.zeros(2, 3, 16, 16), output_size=(32, 32)).shape
    (2, 8, 32, 32)
    """

    _dims = 2
    _function = staticmethod(conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """`ConvTranspose2d` of volumes: see `nn.functional.conv_transpose3d`.

    (N, in_channels, D, H, W) to (N, out_channels, D', H', W'), or both without N.

    >>> import pyautograd as ag
    >>> ag.nn.ConvTranspose3d(3, 8, 2, stride=2)(ag.zeros(2, 3, 4, 8, 8)).shape
    (2, 8, 8, 16, 16)
    """

    _dims = 3
    _function = staticmethod(conv_transpose3d)
