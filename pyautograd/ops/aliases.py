"""Other names of the same functions, and their forms in place."""

from __future__ import annotations

from typing import Any

from pyautograd.op import method
from pyautograd.ops import (
    arithmetic,
    arrange,
    elementwise,
    functions,
    index,
    inplace,
    positions,
    products,
    rearrange,
    reduce,
    scatter,
    shape,
    statistics,
    vectors,
)  # fmt: skip
from pyautograd.tensor import Tensor

_FAMILIES = (
    arithmetic, arrange, elementwise, functions, index, positions, products, rearrange, reduce,
    scatter, shape, statistics, vectors,
)  # fmt: skip
_OTHER_NAMES = {
    "abs": ("absolute",),
    "acos": ("arccos",),
    "acosh": ("arccosh",),
    "asin": ("arcsin",),
    "asinh": ("arcsinh",),
    "atan": ("arctan",),
    "atan2": ("arctan2",),
    "atanh": ("arctanh",),
    "cat": ("concat", "concatenate"),
    "clamp": ("clip",),
    "div": ("divide", "true_divide"),
    "ge": ("greater_equal",),
    "gt": ("greater",),
    "le": ("less_equal",),
    "lt": ("less",),
    "movedim": ("moveaxis",),
    "mul": ("multiply",),
    "ne": ("not_equal",),
    "neg": ("negative",),
    "outer": ("ger",),
    "split": ("split_with_sizes",),
    "sub": ("subtract",),
    "transpose": ("swapaxes", "swapdims"),
    "trunc": ("fix",),
    "vstack": ("row_stack",),
}
_IN_PLACE = (
    "acos", "acosh", "addcdiv", "addcmul", "asin", "asinh", "atan", "atan2", "atanh", "ceil",
    "clamp_max", "clamp_min", "cos", "cosh", "cumprod", "cumsum", "erf", "exp2", "expm1",
    "floor", "floor_divide", "fmod", "frac", "hypot", "index_add", "index_copy", "index_fill",
    "index_put", "lerp", "log10", "log1p", "log2", "logical_and", "logical_not", "logical_or",
    "logit", "masked_scatter", "nan_to_num", "remainder", "round", "scatter", "scatter_add", "sin",
    "sinh", "tan", "tril", "triu", "trunc", "xlogy",
)  # fmt: skip


def _function(name: str) -> Any:
    return next(
        (getattr(family, name) for family in _FAMILIES if name in family.__all__),
        getattr(Tensor, name, None),
    )


__all__ = [other for others in _OTHER_NAMES.values() for other in others]
for _name, _others in _OTHER_NAMES.items():
    for _other in _others:
        globals()[_other] = _function(_name)
        if hasattr(Tensor, _name):
            method(_other)(getattr(Tensor, _name))
for _name in _IN_PLACE:
    inplace.in_place(_function(_name))
for _name in ("abs", "acos", "asin", "atan", "clamp", "div", "mul", "neg", "sub", "trunc"):
    for _other in _OTHER_NAMES[_name]:
        method(f"{_other}_")(getattr(Tensor, f"{_name}_"))
method("adjoint")(lambda self: self.mT)
