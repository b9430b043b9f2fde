"""Pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pyautograd.nn.module import Module
from pyautograd.ops import pool_nd, unpool
from pyautograd.ops.conv import Pair
from pyautograd.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from pyautograd.tensor import Tensor


class _MaxPool(Module):
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """The values, or with `return_indices` a pair of values and places."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """Windows."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest value of each window: (N, C, L) to (N, C, L'), or both without N.

    See `MaxPool2d` for L'.
    """

    _function = pool_nd.max_pool1d


class MaxPool2d(_MaxPool):
    """The largest value of each window: (N, C, H, W) to (N, C, H', W'), or both without N.

    H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, or with ceil for
    floor in `ceil_mode`. The stride is the kernel's size unless given.

    >>> import pyautograd as ag
    >>> ag.nn.MaxPool2d(2)(ag.zeros(1, 3, 8, 8)).shape
    (1, 3, 4, 4)
    """

    _function = max_pool2d


class MaxPool3d(_MaxPool):
    """The largest value of each window: (N, C, D, H, W) to (N, C, D', H', W'), or without N.

    See `MaxPool2d` for D', H' and W'.
    """

    _function = pool_nd.max_pool3d


class _MaxUnpool(Module):
    _function: ClassVar[Callable[..., Tensor]]
    _dims: ClassVar[int]

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size = _each(kernel_size, self._dims)
        self.stride = self.kernel_size if stride is None else _each(stride, self._dims)
        self.padding = _each(padding, self._dims)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Values and places, as the pooling gave them; the size where several are possible."""
        return type(self)._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        """Windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


def _each(value: Pair, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


class MaxUnpool1d(_MaxUnpool):
    """Puts the values of `MaxPool1d(return_indices=True)` back to their places, among zeros."""

    _function = unpool.max_unpool1d
    _dims = 1


class MaxUnpool2d(_MaxUnpool):
    """Puts the values of `MaxPool2d(return_indices=True)` back to their places, among zeros.

    >>> import pyautograd as ag
    >>> values, places = ag.nn.MaxPool2d(2, return_indices=True)(ag.zeros(1, 3, 8, 8))
    >>> ag.nn.MaxUnpool2d(2)(values, places).shape
    (1, 3, 8, 8)
    """

    _function = unpool.max_unpool2d
    _dims = 2


class MaxUnpool3d(_MaxUnpool):
    """Puts the values of `MaxPool3d(return_indices=True)` back to their places, among zeros."""

    _function = unpool.max_unpool3d
    _dims = 3


class _AvgPool(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window: (N, C, L) to (N, C, L'), or both without N. See `AvgPool2d`."""

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        steps = None if stride is None else _each(stride, 1)
        sizes = _each(kernel_size, 1), steps, _each(padding, 1)
        super().__init__(*sizes, ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return pool_nd.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool2d(_AvgPool):
    """The mean of each window: (N, C, H, W) to (N, C, H', W'), or both without N.

    H' = floor((H + 2 padding - kernel_size) / stride) + 1, or with ceil for floor in `ceil_mode`.
    The stride is the kernel's size unless given. See `nn.functional.avg_pool2d` for the divisor.
    """

    _function = avg_pool2d


class AvgPool3d(_AvgPool):
    """The mean of each window: (N, C, D, H, W) to (N, C, D', H', W'). See `AvgPool2d`."""

    _function = pool_nd.avg_pool3d


class _LPPool(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Pair,
        stride: Pair | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """The norms."""
        return type(self)._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """The power, and windows."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """sum(x^p)^(1/p) over each window: (N, C, L) to (N, C, L'), p = `norm_type`."""

    _function = pool_nd.lp_pool1d


class LPPool2d(_LPPool):
    """sum(x^p)^(1/p) over each window: (N, C, H, W) to (N, C, H', W'), p = `norm_type`."""

    _function = pool_nd.lp_pool2d


class LPPool3d(_LPPool):
    """sum(x^p)^(1/p) over each window: (N, C, D, H, W) to (N, C, D', H', W'), p = `norm_type`."""

    _function = pool_nd.lp_pool3d


class _AdaptiveAvgPool(Module):
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C, *output_size)."""
        return type(self)._function(input, self.output_size)

    def extra_repr(self) -> str:
        """Size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows of sequences such that the output has the size asked for."""

    _function = pool_nd.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows such that the output has the size asked for; None keeps a dimension's.

    >>> import pyautograd as ag
    >>> ag.nn.AdaptiveAvgPool2d(1)(ag.ones(2, 3, 5, 7)).shape
    (2, 3, 1, 1)
    """

    _function = adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows of volumes such that the output has the size asked for."""

    _function = pool_nd.adaptive_avg_pool3d


class _AdaptiveMaxPool(Module):
    _function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """The values, or with `return_indices` a pair of values and places."""
        return type(self)._function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """Size."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest values over windows of sequences such that the output has the size asked for."""

    _function = pool_nd.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest values over windows such that the output has the size asked for; None keeps one.

    >>> import pyautograd as ag
    >>> ag.nn.AdaptiveMaxPool2d((1, None))(ag.ones(2, 3, 5, 7)).shape
    (2, 3, 1, 7)
    """

    _function = pool_nd.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest values over windows of volumes such that the output has the size asked for."""

    _function = pool_nd.adaptive_max_pool3d
