"""Switches of the kernels, as attributes of this module.

`winograd` (True, unless the environment has `PYAUTOGRAD_WINOGRAD=0`): whether float32 convolutions
with 3x3 filters, and both their gradients, may use Winograd's algorithm. It is used where it is
expected to be faster than the direct form: with 16 channels or more, and maps that are not tiny.
Its rms error is two to four times the direct form's, about a millionth of the results' own size.
It adds and subtracts neighbouring inputs: an infinity, or a product that overflows, makes NaN of
the outputs that share a 4x4 tile with those it reaches, and of all nine weights of the gradient of
a filter that meets it. float64 is always computed directly.

>>> import pyautograd as ag
>>> ag.backends.winograd
True
"""

from __future__ import annotations

import os
import sys
import types

from pyautograd import _C

winograd: bool


class _Backends(types.ModuleType):
    """The module itself: its switches live in C++."""

    @property
    def winograd(self) -> bool:
        return _C.winograd()

    @winograd.setter
    def winograd(self, allowed: bool) -> None:
        if not isinstance(allowed, bool):
            raise TypeError(
                f"backends.winograd: expected True or False, got {type(allowed).__name__}"
            )
        _C.set_winograd(allowed)


def _check_environment() -> None:
    wanted = os.environ.get("PYAUTOGRAD_WINOGRAD", "1")
    if wanted not in ("0", "1"):
        raise ImportError(f"PYAUTOGRAD_WINOGRAD={wanted}: expected 0 or 1")
    _C.set_winograd(wanted == "1")


sys.modules[__name__].__class__ = _Backends
_check_environment()
