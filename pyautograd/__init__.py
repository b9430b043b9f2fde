"""pyautograd: automatic differentiation and small-to-medium neural networks on CPUs.

>>> import pyautograd as ag
>>> x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from __future__ import annotations

import importlib as _importlib
import os as _os
from typing import TYPE_CHECKING, Any

from pyautograd import _C, backends
from pyautograd.device import device
from pyautograd.dtypes import bool_ as bool
from pyautograd.dtypes import float32, float64, int32, int64, uint8
from pyautograd.memory import (
    empty_cache,
    memory_stats,
    reset_peak_memory_stats,
    set_cache_limit,
)
from pyautograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from pyautograd.ops import factor, loss, pool
from pyautograd.ops import norm as _  # its ops: `norm` is the function of ops/vectors.py
from pyautograd.ops.aliases import *
from pyautograd.ops.arithmetic import *
from pyautograd.ops.arrange import *
from pyautograd.ops.conv import *
from pyautograd.ops.conversions import *
from pyautograd.ops.create import *
from pyautograd.ops.elementwise import *
from pyautograd.ops.functions import *
from pyautograd.ops.index import *
from pyautograd.ops.matmul import *
from pyautograd.ops.order import *
from pyautograd.ops.positions import *
from pyautograd.ops.products import *
from pyautograd.ops.random import *
from pyautograd.ops.rearrange import *
from pyautograd.ops.reduce import *
from pyautograd.ops.sampling import *
from pyautograd.ops.scatter import *
from pyautograd.ops.sets import *
from pyautograd.ops.shape import *
from pyautograd.ops.softmax import *
from pyautograd.ops.statistics import *
from pyautograd.ops.vectors import *
from pyautograd.tensor import Tensor, as_tensor, from_dlpack, from_numpy, tensor
from pyautograd.threads import available_threads as _available_threads
from pyautograd.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from pyautograd import autograd as autograd
    from pyautograd import cuda as cuda
    from pyautograd import data as data
    from pyautograd import func as func
    from pyautograd import linalg as linalg
    from pyautograd import nn as nn
    from pyautograd import optim as optim
    from pyautograd import profiler as profiler
    from pyautograd import static as static
    from pyautograd import utils as utils
    from pyautograd import viz as viz
    from pyautograd.func import vmap as vmap
    from pyautograd.ops.einsum import einsum as einsum
    from pyautograd.serialization import load as load
    from pyautograd.serialization import save as save
    from pyautograd.static.function import compile as compile

__version__ = "0.1.0"

# Loaded at first use: `import pyautograd` alone stays fast.
_SUBMODULES = (
    "autograd",
    "cuda",
    "data",
    "func",
    "linalg",
    "nn",
    "optim",
    "profiler",
    "static",
    "utils",
    "viz",
)
_CONSTANTS = {
    "Size": tuple, "double": float64, "e": 2.718281828459045, "float": float32,
    "inf": float("inf"), "int": int32, "long": int64, "nan": float("nan"), "newaxis": None,
    "pi": 3.141592653589793,
}  # fmt: skip
_LAZY = {
    "compile": "static.function",
    "einsum": "ops.einsum",
    "load": "serialization",
    "save": "serialization",
    "set_printoptions": "display",
    "vmap": "func",
}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return _importlib.import_module(f"pyautograd.{name}")
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in _LAZY:
        return getattr(_importlib.import_module(f"pyautograd.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'pyautograd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_CONSTANTS, *_LAZY})


def show_config() -> str:
    """The build, the instruction set, threads and memory, in a few lines for a bug report.

    >>> import pyautograd as ag
    >>> print(ag.show_config())  # doctest: +SKIP
    pyautograd 0.1.0
    build: GNU 12.2.0, Release (-O3 -DNDEBUG) for x86_64
    instruction set: avx512 of generic, avx2, avx512
    threads: 8 (of 8 granted to this process)
    memory: 0.0 MiB in use, 0.0 MiB kept of at most 4096.0 MiB, huge pages on
    switches: winograd on, flush_denormals on
    """
    build, stats = _C.build(), memory_stats()
    on = {name: "on" if getattr(backends, name) else "off" for name in backends._SWITCHES}
    used, kept, limit = (stats[key] / 2**20 for key in ("in_use", "cached", "limit"))
    return "\n".join(
        (
            f"pyautograd {__version__}",
            f"build: {build['compiler']}, {build['type']} ({build['flags']}) "
            f"for {build['architecture']}",
            f"instruction set: {_C.isa()} of {', '.join(_C.available_isas())}",
            f"threads: {get_num_threads()} (of {_available_threads()} granted to this process)",
            f"memory: {used:.1f} MiB in use, {kept:.1f} MiB kept of at most {limit:.1f} MiB, "
            f"huge pages {on['huge_pages']}",
            f"switches: winograd {on['winograd']}, flush_denormals {on['flush_denormals']}",
        )
    )


def _check_environment() -> None:
    wanted = _os.environ.get("PYAUTOGRAD_ISA")
    if wanted and wanted not in _C.available_isas():
        raise ImportError(
            f"PYAUTOGRAD_ISA={wanted}: this machine runs {', '.join(_C.available_isas())}"
        )


_check_environment()
