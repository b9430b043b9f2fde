"""Borders around sequences, images and volumes."""

from __future__ import annotations

from typing import ClassVar

from pyautograd.nn.module import Module
from pyautograd.ops.conv import Pair
from pyautograd.ops.shape import pad
from pyautograd.tensor import Tensor


class _Pad(Module):
    """`padding`: one number for all sides, or (left, right, top, bottom, ...).

    The last dimension comes first. A negative number crops.
    """

    _dims: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: Pair) -> None:
        super().__init__()
        sides = 2 * self._dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(
                f"{type(self).__name__}: expected padding as one number or {sides}, got {padding}"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Larger in the last dimensions."""
        if input.ndim not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"{type(self).__name__}: expected input of {self._dims + 1} or {self._dims + 2} "
                f"dimensions, got shape {input.shape}"
            )
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """The borders."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Pair, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Larger in the last dimensions."""
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The borders and their value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Borders of one value around (..., L)."""

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """Borders of one value around (..., H, W): an integer, or (left, right, top, bottom)."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """Borders of one value around (..., D, H, W)."""

    _dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Pair) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The borders."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Borders of zeros around (..., L)."""

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """Borders of zeros around (..., H, W): an integer, or (left, right, top, bottom).

    >>> import pyautograd as ag
    >>> ag.nn.ZeroPad2d((1, 0, 0, 1))(ag.ones(1, 1, 2))
    tensor([[[0., 1., 1.],
             [0., 0., 0.]]])
    """

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """Borders of zeros around (..., D, H, W)."""

    _dims = 3


class ReflectionPad1d(_Pad):
    """Borders that mirror (N, C, L) or (C, L), without the edge itself.

    >>> import pyautograd as ag
    >>> ag.nn.ReflectionPad1d(2)(ag.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Borders that mirror (N, C, H, W) or (C, H, W), without the edges themselves."""

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Borders that mirror (N, C, D, H, W) or (C, D, H, W), without the edges themselves."""

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Borders that repeat the ends of (N, C, L) or (C, L)."""

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Borders that repeat the edges of (N, C, H, W) or (C, H, W)."""

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Borders that repeat the faces of (N, C, D, H, W) or (C, D, H, W)."""

    _dims, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Borders that go on at the other end of (N, C, L) or (C, L)."""

    _dims, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """Borders that go on at the other side of (N, C, H, W) or (C, H, W)."""

    _dims, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """Borders that go on at the other side of (N, C, D, H, W) or (C, D, H, W)."""

    _dims, _mode = 3, "circular"
