"""pyautograd: automatic differentiation and small-to-medium neural networks on CPUs.

>>> import pyautograd as ag
>>> x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from pyautograd import _C
from pyautograd import ops as _ops
from pyautograd.dtypes import bool_ as bool
from pyautograd.dtypes import float32, float64, int32, int64, uint8
from pyautograd.modes import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from pyautograd.ops.conv import conv2d
from pyautograd.ops.create import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from pyautograd.ops.elementwise import (
    abs,
    add,
    clamp,
    div,
    eq,
    exp,
    ge,
    gt,
    isfinite,
    isnan,
    le,
    log,
    logical_and,
    logical_not,
    logical_or,
    lt,
    masked_fill,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow,
    reciprocal,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sqrt,
    square,
    sub,
    tanh,
    where,
)
from pyautograd.ops.index import gather, index_select, masked_select
from pyautograd.ops.matmul import bmm, dot, matmul, mm
from pyautograd.ops.random import (
    Generator,
    default_generator,
    dropout,
    manual_seed,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from pyautograd.ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from pyautograd.ops.shape import (
    broadcast_to,
    cat,
    chunk,
    clone,
    flatten,
    flip,
    movedim,
    permute,
    reshape,
    split,
    squeeze,
    stack,
    t,
    transpose,
    unbind,
    unsqueeze,
)
from pyautograd.ops.softmax import log_softmax, softmax
from pyautograd.tensor import Tensor, as_tensor, from_numpy, tensor
from pyautograd.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from pyautograd import autograd, data, nn, optim, utils
    from pyautograd.serialization import load, save

__version__ = "0.1.0"

# Loaded at first use: `import pyautograd` alone stays fast.
_SUBMODULES = ("autograd", "data", "nn", "optim", "utils")
_LAZY = {"load": "serialization", "save": "serialization"}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"pyautograd.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"pyautograd.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'pyautograd' has no attribute {name!r}")


def show_config() -> str:
    """The build and the machine in a few lines."""
    return "\n".join(
        (
            f"pyautograd {__version__}",
            f"instruction set: {_C.isa()} of {', '.join(_C.available_isas())}",
            f"threads: {get_num_threads()}"
            + ("" if _C.has_openmp() else " (built without OpenMP: kernels run on one thread)"),
        )
    )


def _check_environment() -> None:
    wanted = os.environ.get("PYAUTOGRAD_ISA")
    if wanted and wanted not in _C.available_isas():
        raise ImportError(
            f"PYAUTOGRAD_ISA={wanted}: this machine runs {', '.join(_C.available_isas())}"
        )


_check_environment()

__all__ = [
    *("Generator", "Tensor", "as_tensor", "from_numpy", "tensor"),
    *("bool", "float32", "float64", "int32", "int64", "uint8"),
    *("autograd", "data", "nn", "optim", "utils", "load", "save"),
    *("enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"),
    *("arange", "empty", "empty_like", "eye", "full", "full_like", "linspace"),
    *("ones", "ones_like", "zeros", "zeros_like"),
    *("default_generator", "dropout", "manual_seed", "rand", "rand_like", "randint"),
    *("randint_like", "randn", "randn_like", "randperm"),
    *("abs", "add", "clamp", "div", "exp", "log", "masked_fill", "maximum", "minimum", "mul"),
    *("neg", "pow", "reciprocal", "relu", "rsqrt", "sigmoid", "sign", "sqrt", "square", "sub"),
    *("tanh", "where"),
    *("eq", "ge", "gt", "isfinite", "isnan", "le", "logical_and", "logical_not", "logical_or"),
    *("lt", "ne"),
    *("all", "amax", "amin", "any", "argmax", "argmin", "max", "mean", "min", "prod", "std"),
    *("sum", "var"),
    *("bmm", "conv2d", "dot", "log_softmax", "matmul", "mm", "softmax"),
    *("broadcast_to", "cat", "chunk", "clone", "flatten", "flip", "gather", "index_select"),
    *("masked_select", "movedim", "permute", "reshape", "split", "squeeze", "stack", "t"),
    *("transpose", "unbind", "unsqueeze"),
    *("get_num_threads", "set_num_threads", "show_config"),
]
