"""Element-wise ops, their gradients, and what is composed of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import _C, tape
from pyautograd.device import to_arguments
from pyautograd.dtypes import SUPPORTED, as_dtype, bool_, float32, float64, int32, int64
from pyautograd.op import (
    binary,
    comparison,
    method,
    operators,
    predicate,
    primitive,
    reflected_operators,
    result_dtype,
    ternary,
    unary,
)
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "abs",
    "add",
    "clamp",
    "div",
    "eq",
    "exp",
    "ge",
    "gt",
    "isfinite",
    "isnan",
    "le",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "masked_fill",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "reciprocal",
    "relu",
    "rsqrt",
    "sigmoid",
    "sign",
    "sqrt",
    "square",
    "sub",
    "tanh",
    "where",
]

# ---- arithmetic ----------------------------------------------------------------------------------

_add = binary("add", lambda K, g, saved, needs: (g, g), saves=(), fresh=False)
_sub = binary("sub", lambda K, g, saved, needs: (g, needs[1] and K.neg(g)), saves=(), fresh=False)


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha * other, broadcasting."""
    return _add(input, other if alpha == 1 else other * alpha)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha * other, broadcasting."""
    return _sub(input, other if alpha == 1 else other * alpha)


def _mul_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, b = saved
    return needs[0] and K.mul(g, b), needs[1] and K.mul(g, a)


def _div_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    b, out = saved
    ga = K.div(g, b)
    return ga, needs[1] and K.neg(K.mul(ga, out))


def _pow_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    """b a^(b-1), taken as 0 where b is 0; a^b log a, taken as 0 where a is 0 and b >= 0."""
    a, b, out = saved
    ga = gb = None
    if needs[0] is not None:
        if isinstance(b, (int, float)):
            slope = a if b == 2 else K.pow(a, b - 1)  # a^1 is a, to the bit
            ga = K.mul(g, K.mul(slope, b)) if b else K.mul(g, 0.0)
        else:
            slope = K.mul(b, K.pow(a, K.sub(b, 1.0)))
            ga = K.mul(g, K.where(K.eq(b, 0.0), 0.0, slope))
    if needs[1] is not None:
        if isinstance(a, (int, float)):
            log_a = math.log(a) if a > 0 else math.nan if a < 0 else -math.inf
            slope = K.mul(out, log_a)
            gb = K.mul(g, slope if a else K.where(K.ge(b, 0.0), 0.0, slope))
        else:
            flat = K.logical_and(K.eq(a, 0.0), K.ge(b, 0.0))
            slope = K.mul(out, K.log(K.where(flat, 1.0, a)))
            gb = K.mul(g, K.where(flat, 0.0, slope))
    return ga, gb


mul = binary("mul", _mul_rule, crosswise=True)
div = binary("div", _div_rule, saves=(1, OUT))
pow = binary("pow", _pow_rule, saves=(0, 1, OUT))
neg = unary("neg", lambda K, g, saved, needs: (K.neg(g),), saves=OUT)

# ---- functions -----------------------------------------------------------------------------------

sign = unary("sign", lambda K, g, saved, needs: (K.mul(g, 0.0),), saves=OUT)
abs = unary("abs", lambda K, g, saved, needs: (K.mul(g, K.sign(saved[0])),), saves=0)
exp = unary("exp", lambda K, g, saved, needs: (K.mul(g, saved[0]),), saves=OUT)
log = unary("log", lambda K, g, saved, needs: (K.div(g, saved[0]),), saves=0)
sqrt = unary("sqrt", lambda K, g, saved, needs: (K.div(K.mul(g, 0.5), saved[0]),), saves=OUT)
tanh = unary("tanh", lambda K, g, saved, needs: (K.tanh_grad(g, saved[0]),), saves=OUT)
sigmoid = unary("sigmoid", lambda K, g, saved, needs: (K.sigmoid_grad(g, saved[0]),), saves=OUT)
softplus = unary("softplus", lambda K, g, saved, needs: (K.mul(g, K.sigmoid(saved[0])),), saves=0)
relu = unary("relu", lambda K, g, saved, needs: (K.relu_grad(g, saved[0]),), saves=OUT)


def _tanh_grad_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    """Of u (1 - y^2)."""
    u, y = saved
    return (
        needs[0] and K.tanh_grad(g, y),
        needs[1] and K.mul(K.mul(K.mul(g, u), y), -2.0),
    )


def _sigmoid_grad_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    """Of u y (1 - y)."""
    u, y = saved
    return (
        needs[0] and K.sigmoid_grad(g, y),
        needs[1] and K.mul(K.mul(g, u), K.sub(1.0, K.mul(y, 2.0))),
    )


binary("tanh_grad", _tanh_grad_rule)
binary("sigmoid_grad", _sigmoid_grad_rule)
binary("relu_grad", lambda K, g, saved, needs: (K.relu_grad(g, saved[0]), None), saves=(1,))


def _maximum_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    """Where the operands are equal, each gets half of the gradient."""
    a, b = saved
    return needs[0] and K.maximum_grad(g, a, b), needs[1] and K.maximum_grad(g, b, a)


def _minimum_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, b = saved
    return needs[0] and K.maximum_grad(g, b, a), needs[1] and K.maximum_grad(g, a, b)


maximum = binary("maximum", _maximum_rule)
minimum = binary("minimum", _minimum_rule)
# maximum_grad(g, a, b): g where a > b, g/2 where a = b, 0 where a < b.
ternary(
    "maximum_grad",
    lambda K, g, saved, needs: (K.maximum_grad(g, *saved), None, None),
    saves=(1, 2),
)

# ---- comparisons: bool, without a gradient -------------------------------------------------------


eq = comparison("eq")
ne = comparison("ne")
lt = comparison("lt")
le = comparison("le")
gt = comparison("gt")
ge = comparison("ge")
logical_and = comparison("logical_and")
logical_or = comparison("logical_or")

_logical_not = predicate("logical_not")
_isnan = predicate("isnan")
_isfinite = predicate("isfinite")


@method()
def logical_not(a: Tensor) -> Tensor:
    """Not a, as bool."""
    return _logical_not(a)


def _of_masks(symbol: str, function: Any) -> Any:
    """The operator: for bools alone, where the bitwise meaning and the logical one are the same."""

    def run(*operands: Any) -> Any:
        for x in operands:
            if getattr(x, "dtype", type(x)) not in (np.bool_, bool):
                raise TypeError(
                    f"{symbol}: expected bool tensors, got {getattr(x, 'dtype', type(x).__name__)};"
                    f" {function.__name__}() takes any"
                )
        return function(*operands)

    return run


@method()
def isnan(a: Tensor) -> Tensor:
    """Where a is NaN."""
    return _isnan(a)


@method()
def isfinite(a: Tensor) -> Tensor:
    """Where a is neither NaN nor infinite."""
    return _isfinite(a)


# ---- selection -----------------------------------------------------------------------------------


def _where_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    (condition,) = saved
    return None, needs[1] and K.where(condition, g, 0.0), needs[2] and K.where(condition, 0.0, g)


def _infer_where(condition: Any, a: Any, b: Any) -> Any:
    shapes = [getattr(x, "shape", ()) for x in (condition, a, b)]
    return _C.broadcast_shapes("where", *shapes), result_dtype("add", a, b)


_where = ternary("where", _where_rule, saves=(0,), infer=_infer_where)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` is true, `other` elsewhere; all three broadcast.

    `where(condition)` alone gives the places: `nonzero(condition, as_tuple=True)`.

    The gradient goes to the side that was taken; the other gets 0, whatever its values. If that
    side was computed with an infinite slope, 0 times it is NaN, as in PyTorch: not where(x > 0,
    sqrt(x), 0) but where(x > 0, sqrt(where(x > 0, x, 1)), 0).

    >>> import pyautograd as ag
    >>> x = ag.tensor([1.0, -2.0])
    >>> ag.where(x > 0, x, 0.0)
    tensor([1., 0.])
    """
    if input is None or other is None:
        if input is not other:
            raise TypeError("where: expected both input and other, or neither")
        return condition.nonzero(as_tuple=True)
    return _where(condition, input, other)


tape.tensors.where = where


def beside(x: Any, *others: Any) -> Any:
    """A number as a 0-d tensor of the dtype it takes beside the others."""
    if not isinstance(x, (int, float)):
        return x
    tensors = [t for t in others if isinstance(t, Tensor)]
    if not tensors:
        return wrap(np.array(x, np.float32 if isinstance(x, float) else None))
    dtype = tensors[0].dtype
    return wrap(np.array(x, np.float32 if isinstance(x, float) and dtype.kind != "f" else dtype))


_clamp = ternary(
    "clamp",
    lambda K, g, saved, needs: (K.clamp_grad(g, *saved), None, None),
    saves=(0, OUT),
)
# clamp_grad(g, x, y): g where y, which is x clamped, is x itself.
ternary(
    "clamp_grad", lambda K, g, saved, needs: (K.clamp_grad(g, *saved), None, None), saves=(1, 2)
)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """min(max(input, min), max); bounds are numbers or tensors, at least one of them given.

    The gradient reaches `input` where it lies within the bounds, these included.
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    low, high = -math.inf if min is None else min, math.inf if max is None else max
    numbers = isinstance(low, (int, float)) and isinstance(high, (int, float))
    if numbers and low <= high and isinstance(input, Tensor) and input.is_floating_point():
        return _clamp(input, low, high)
    out = input
    for bound, beyond in ((min, lt), (max, gt)):
        if bound is not None:
            out = where(beyond(out, bound), bound, out)
    return out


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` is true, `input` elsewhere."""
    return where(mask, value, input)


# ---- composites ----------------------------------------------------------------------------------


def square(input: Tensor) -> Tensor:
    """input * input."""
    return mul(input, input)


def reciprocal(input: Tensor) -> Tensor:
    """1 / input."""
    return div(1.0, input)


def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(input)."""
    return div(1.0, sqrt(input))


# ---- dtype ---------------------------------------------------------------------------------------

_casts = {dtype: _C.elementwise[f"to_{dtype}"] for dtype in SUPPORTED}


def _converted(x: Any, dtype: Any) -> Any:
    """Towards 0 for integers; what they do not hold, NaN included, becomes some other number."""
    return _casts[dtype](x)


_cast = primitive(
    "cast",
    "elementwise",
    _converted,
    lambda K, g, saved, needs, dtype: (g,),
    lambda x, dtype: (x.shape, dtype),
    broadcasts=True,
)
# To integers and bools, which have no gradient.
_cast_discrete = primitive(
    "cast_discrete", "elementwise", _converted, None, lambda x, dtype: (x.shape, dtype)
)


@method()
def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """The same values in another dtype; `input` itself where it has that dtype, unless `copy`.

    `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(other)`; the only device is "cpu". Floats
    become integers towards 0; NaN and what the integers do not hold become some integer.
    """
    if len(args) == 1 and device is None and not copy:  # mostly
        if args[0] is input.dtype:
            return input
        if isinstance(args[0], np.dtype) and args[0] in _casts:
            return _in_dtype(input, args[0])
    dtype = to_arguments("to", args, dtype, device)
    wanted = input.dtype if dtype is None else as_dtype(dtype)
    return input.clone() if copy and input.dtype == wanted else _in_dtype(input, wanted)


def _in_dtype(input: Tensor, dtype: Any) -> Tensor:
    if input.dtype == dtype:
        return input
    return (_cast if dtype.kind == "f" else _cast_discrete)(input, dtype)


@method()
def cpu(input: Tensor) -> Tensor:
    """`input` itself: that is where tensors are."""
    return input


@method()
def cuda(input: Tensor, device: Any = "cuda") -> Tensor:
    """RuntimeError: there is no graphics card."""
    return to(input, device="cuda")


for _name, _dtype in (
    ("float", float32),
    ("double", float64),
    ("long", int64),
    ("int", int32),
    ("bool", bool_),
):
    method(_name)(lambda x, _dtype=_dtype: _in_dtype(x, _dtype))


# ---- methods -------------------------------------------------------------------------------------

for _function, _names in (
    (operators["add"], ("__add__", "__radd__")),
    (operators["sub"], ("__sub__",)),
    (operators["mul"], ("__mul__", "__rmul__")),
    (operators["div"], ("__truediv__",)),
    (operators["pow"], ("__pow__",)),
    (reflected_operators["sub"], ("__rsub__",)),
    (reflected_operators["div"], ("__rtruediv__",)),
    (reflected_operators["pow"], ("__rpow__",)),
    (neg, ("__neg__", "neg")),
    (abs, ("__abs__", "abs")),
    (operators["eq"], ("__eq__",)),
    (operators["ne"], ("__ne__",)),
    (operators["lt"], ("__lt__",)),
    (operators["le"], ("__le__",)),
    (operators["gt"], ("__gt__",)),
    (operators["ge"], ("__ge__",)),
    (_of_masks("&", logical_and), ("__and__", "__rand__")),
    (_of_masks("|", logical_or), ("__or__", "__ror__")),
    (_of_masks("~", logical_not), ("__invert__",)),
):
    method(*_names)(_function)
for _function in (
    add, sub, mul, div, pow, eq, ne, lt, le, gt, ge, logical_and, logical_or, sign, exp, log,
    sqrt, tanh, sigmoid, relu, maximum, minimum, clamp, masked_fill, square, reciprocal, rsqrt,
):  # fmt: skip
    method()(_function)
method("where")(lambda x, condition, other: where(condition, x, other))

# What the factories' functions are; where a gradient has to be chosen, what it is.
for _function, _text in (
    (mul, "input * other, broadcasting."),
    (div, "input / other, broadcasting; of integers, as float32."),
    (pow, "input ** other, broadcasting. At 0 ** 0 and above, the gradient of `other` is 0."),
    (neg, "-input."),
    (abs, "|input|. The gradient at 0 is 0."),
    (sign, "-1, 0 or 1, and NaN of NaN. The gradient is 0."),
    (exp, "e ** input."),
    (log, "The natural logarithm; -inf at 0, NaN below."),
    (sqrt, "The square root; NaN below 0. The gradient at 0 is infinite, as the slope is."),
    (tanh, "The hyperbolic tangent."),
    (sigmoid, "1 / (1 + e ** -input)."),
    (softplus, "log(1 + e ** input), without overflow."),
    (relu, "max(input, 0). The gradient at 0 is 0; NaN stays NaN."),
    (maximum, "The larger of the two, broadcasting; NaN wins. Equal ones share the gradient."),
    (minimum, "The smaller of the two, broadcasting; NaN wins. Equal ones share the gradient."),
    (eq, "input == other by element, broadcasting, as bools."),
    (ne, "input != other by element, broadcasting, as bools."),
    (lt, "input < other by element, broadcasting, as bools."),
    (le, "input <= other by element, broadcasting, as bools."),
    (gt, "input > other by element, broadcasting, as bools."),
    (ge, "input >= other by element, broadcasting, as bools."),
    (logical_and, "Whether both are true (not 0), by element, broadcasting."),
    (logical_or, "Whether one is true (not 0), by element, broadcasting."),
):
    _function.__doc__ = _text


tape.arrays.add_into = _C.add_into
tape.arrays.same_layout = _C.same_layout
