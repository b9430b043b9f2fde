"""Switches of the kernels, as attributes of this module. All are on unless the environment has 0.

- `winograd` (`PYAUTOGRAD_WINOGRAD`): whether float32 convolutions with 3x3 filters, and both their
  gradients, may use Winograd's algorithm. It is used where it is expected to be faster than the
  direct form: with 16 channels or more, and maps that are not tiny. Its rms error is two to four
  times the direct form's, about a millionth of the results' own size. It adds and subtracts
  neighbouring inputs: an infinity, or a product that overflows, makes NaN of the outputs that share
  a 4x4 tile with those it reaches, and of all nine weights of the gradient of a filter that meets
  it. float64 is always computed directly.
- `flush_denormals` (`PYAUTOGRAD_FLUSH_DENORMALS`): whether denormals, the numbers nearer to 0 than
  1.2e-38 (float64: 2.2e-308), which many processors are very slow with, count as 0 in matrix
  products, convolutions, average pooling, norms, softmax, losses and optimiser steps. Element-wise
  functions, sums, comparisons and whatever moves data are exact for them in any case. Outside the
  kernels nothing changes, in the calling thread neither.
- `huge_pages` (`PYAUTOGRAD_HUGE_PAGES`): whether memory for large arrays asks the system for pages
  of 2 MiB. That saves most of the time of first touching it, and lets kernels run a little faster.
  A change concerns memory that is granted from then on.

>>> import pyautograd as ag
>>> ag.backends.winograd
True
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any

from pyautograd import _C

winograd: bool
flush_denormals: bool
huge_pages: bool

_SWITCHES = ("winograd", "flush_denormals", "huge_pages")


class _Backends(types.ModuleType):
    """The module itself: its switches live in C++."""


def _switch(name: str) -> Any:
    def read(module: _Backends) -> bool:
        return getattr(_C, name)()

    def write(module: _Backends, wanted: bool) -> None:
        if not isinstance(wanted, bool):
            raise TypeError(f"backends.{name}: expected True or False, got {type(wanted).__name__}")
        getattr(_C, f"set_{name}")(wanted)

    return property(read, write)


def _check_environment(name: str) -> None:
    variable = f"PYAUTOGRAD_{name.upper()}"
    wanted = os.environ.get(variable, "1")
    if wanted not in ("0", "1"):
        raise ImportError(f"{variable}={wanted}: expected 0 or 1")
    getattr(_C, f"set_{name}")(wanted == "1")


for _name in _SWITCHES:
    setattr(_Backends, _name, _switch(_name))
    _check_environment(_name)
sys.modules[__name__].__class__ = _Backends
