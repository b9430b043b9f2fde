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
from pyautograd.dtypes import bool_ as bool
from pyautograd.dtypes import float32, float64, int32, int64, uint8
from pyautograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from pyautograd.ops import loss, pool
from pyautograd.ops import norm as _  # its ops: `norm` is the function of ops/vectors.py
from pyautograd.ops.conv import *
from pyautograd.ops.create import *
from pyautograd.ops.elementwise import *
from pyautograd.ops.functions import *
from pyautograd.ops.index import *
from pyautograd.ops.matmul import *
from pyautograd.ops.order import *
from pyautograd.ops.random import *
from pyautograd.ops.rearrange import *
from pyautograd.ops.reduce import *
from pyautograd.ops.scatter import *
from pyautograd.ops.shape import *
from pyautograd.ops.softmax import *
from pyautograd.ops.vectors import *
from pyautograd.tensor import Tensor, as_tensor, from_dlpack, from_numpy, tensor
from pyautograd.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from pyautograd import autograd as autograd
    from pyautograd import data as data
    from pyautograd import func as func
    from pyautograd import linalg as linalg
    from pyautograd import nn as nn
    from pyautograd import optim as optim
    from pyautograd import static as static
    from pyautograd import utils as utils
    from pyautograd.func import vmap as vmap
    from pyautograd.ops.einsum import einsum as einsum
    from pyautograd.serialization import load as load
    from pyautograd.serialization import save as save
    from pyautograd.static import compile as compile

__version__ = "0.1.0"

# Loaded at first use: `import pyautograd` alone stays fast.
_SUBMODULES = ("autograd", "data", "func", "linalg", "nn", "optim", "static", "utils")
_LAZY = {
    "compile": "static",
    "einsum": "ops.einsum",
    "load": "serialization",
    "save": "serialization",
    "vmap": "func",
}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return _importlib.import_module(f"pyautograd.{name}")
    if name in _LAZY:
        return getattr(_importlib.import_module(f"pyautograd.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'pyautograd' has no attribute {name!r}")


def show_config() -> str:
    """The build and the machine in a few lines."""
    return "\n".join(
        (
            f"pyautograd {__version__}",
            f"instruction set: {_C.isa()} of {', '.join(_C.available_isas())}",
            f"threads: {get_num_threads()}",
        )
    )


def _check_environment() -> None:
    wanted = _os.environ.get("PYAUTOGRAD_ISA")
    if wanted and wanted not in _C.available_isas():
        raise ImportError(
            f"PYAUTOGRAD_ISA={wanted}: this machine runs {', '.join(_C.available_isas())}"
        )


_check_environment()
