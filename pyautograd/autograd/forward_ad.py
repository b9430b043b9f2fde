"""Forward mode by hand: tensors with tangents, within a `dual_level`. `func.jvp` does it for a
function.

>>> import pyautograd as ag
>>> from pyautograd.autograd import forward_ad
>>> with forward_ad.dual_level():
...     x = forward_ad.make_dual(ag.tensor([1.0, 2.0]), ag.tensor([1.0, 0.0]))
...     print(forward_ad.unpack_dual(x * x).tangent)
tensor([2., 0.])
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from pyautograd.func.behind import behind, parts
from pyautograd.func.dual import Dual
from pyautograd.func.levels import Level, active, entered
from pyautograd.tensor import Tensor

__all__ = ["UnpackedDualTensor", "dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns."""

    primal: Tensor
    tangent: Tensor | None


@contextlib.contextmanager
def dual_level() -> Iterator[None]:
    """Within it, tensors can have tangents; at its end they have none. Cannot be nested."""
    if any(level.transform == "dual_level" for level in active()):
        raise RuntimeError("dual_level: cannot be nested; use func.jvp for higher derivatives")
    with entered(Level("dual_level")):
        yield


def _level() -> Level | None:
    return next((level for level in active() if level.transform == "dual_level"), None)


def make_dual(tensor: Tensor, tangent: Tensor) -> Tensor:
    """`tensor` with a tangent of its shape and dtype."""
    level = _level()
    if level is None:
        raise RuntimeError("make_dual: call it within `with dual_level():`")
    if not tensor.is_floating_point():
        raise ValueError(
            f"make_dual: only floating point tensors have tangents, got {tensor.dtype}"
        )
    if tensor.shape != tangent.shape or tensor.dtype != tangent.dtype:
        raise RuntimeError(
            f"make_dual: a tangent of shape {tangent.shape} and dtype {tangent.dtype} for a tensor "
            f"of shape {tensor.shape} and dtype {tensor.dtype}"
        )
    return Dual(tensor, tangent, level)


def unpack_dual(tensor: Tensor) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor; the tangent is None where it has none, or outside a level."""
    level = _level()
    if level is None:
        return UnpackedDualTensor(behind(tensor), None)
    return UnpackedDualTensor(*parts(tensor, level))
