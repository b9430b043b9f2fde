"""Element-wise functions of two and three operands, and tests, beyond the common ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import comparison, has_values, method, predicate, primitive, result_dtype
from pyautograd.ops import elementwise as ew
from pyautograd.ops.elementwise import beside, where
from pyautograd.ops.functions import sin
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor

__all__ = [
    "acosh",
    "addcdiv",
    "addcmul",
    "allclose",
    "asinh",
    "atan2",
    "atanh",
    "clamp_max",
    "clamp_min",
    "deg2rad",
    "equal",
    "float_power",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "isclose",
    "isinf",
    "isneginf",
    "isposinf",
    "lerp",
    "logaddexp",
    "logical_xor",
    "logit",
    "rad2deg",
    "remainder",
    "signbit",
    "sinc",
    "xlogy",
]

# ---- with NumPy's loops --------------------------------------------------------------------------


def _quiet(function: Any) -> Callable[..., Any]:
    """Without warnings; on contiguous arrays, since NumPy's loops over others round differently."""

    def forward(*arrays: Any) -> Any:
        arrays = tuple([x if x.flags.c_contiguous else x.copy() for x in arrays])
        with np.errstate(all="ignore"):
            return np.asarray(_C.cached(function, *arrays))

    return forward


def _of_two(name: str, function: Any, rule: Any, saves: tuple[int, ...] = (0, 1)) -> Any:
    """The op of two floats or two integers of one dtype, for which numbers and others are cast."""

    def infer(a: Any, b: Any) -> Any:
        return _C.broadcast_shapes(name, a.shape, b.shape), a.dtype

    run = primitive(
        name, "elementwise", _quiet(function), rule, infer, saves=saves, inputs=2, broadcasts=True
    )

    def cast_and_run(input: Any, other: Any) -> Tensor:
        a, b = beside(input, other), beside(other, input)
        for x in (a, b):
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: expected tensors or numbers, got {type(x).__name__}")
        _C.broadcast_shapes(name, a.shape, b.shape)
        dtype = result_dtype("add", a, b)
        return run(a.to(dtype), b.to(dtype))

    return cast_and_run


def _of_floats(name: str, function: Any, rule: Any) -> Any:
    return primitive(
        name, "elementwise", _quiet(function), rule, lambda x: (x.shape, x.dtype), saves=(0,)
    )


def _divided(name: str, input: Any, other: Any, function: Any) -> Tensor:
    """Integers cannot be divided by 0, where that is known before; floats can."""
    integers = all(
        x.dtype.kind != "f" if isinstance(x, Tensor) else not isinstance(x, float)
        for x in (input, other)
    )
    known = not isinstance(other, Tensor) or has_values(other)
    if integers and known and not np.all(other._array if isinstance(other, Tensor) else other):
        raise ZeroDivisionError(f"{name}: integer division by zero")
    return function(input, other)


_remainder = _of_two(
    "remainder",
    np.remainder,
    lambda K, g, saved, needs: (g, needs[1] and K.neg(K.mul(g, K.floor(K.div(*saved))))),
)
_fmod = _of_two(
    "fmod",
    np.fmod,
    lambda K, g, saved, needs: (g, needs[1] and K.neg(K.mul(g, K.trunc(K.div(*saved))))),
)
_floor_divide = _of_two("floor_divide", np.floor_divide, None, saves=())


def _atan2_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    y, x = saved
    scaled = K.div(g, K.add(K.mul(y, y), K.mul(x, x)))
    return needs[0] and K.mul(scaled, x), needs[1] and K.neg(K.mul(scaled, y))


def _hypot_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, b, out = saved
    scaled = K.div(g, out)
    return needs[0] and K.mul(scaled, a), needs[1] and K.mul(scaled, b)


def _logaddexp_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, b = saved
    return (
        needs[0] and K.mul(g, K.sigmoid(K.sub(a, b))),
        needs[1] and K.mul(g, K.sigmoid(K.sub(b, a))),
    )


_atan2 = _of_two("atan2", np.arctan2, _atan2_rule)
_hypot = _of_two("hypot", np.hypot, _hypot_rule, saves=(0, 1, OUT))
_logaddexp = _of_two("logaddexp", np.logaddexp, _logaddexp_rule)


def _asinh_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.div(g, K.sqrt(K.add(K.mul(saved[0], saved[0]), 1.0))),)


def _acosh_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.div(g, K.sqrt(K.sub(K.mul(saved[0], saved[0]), 1.0))),)


def _atanh_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.div(g, K.sub(1.0, K.mul(saved[0], saved[0]))),)


_inverse = {
    "asinh": _of_floats("asinh", np.arcsinh, _asinh_rule),
    "acosh": _of_floats("acosh", np.arccosh, _acosh_rule),
    "atanh": _of_floats("atanh", np.arctanh, _atanh_rule),
}


def _as_floats(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.to(np.float32)


@method()
def asinh(input: Tensor) -> Tensor:
    """The number whose hyperbolic sine is `input`."""
    return _inverse["asinh"](_as_floats(input))


@method()
def acosh(input: Tensor) -> Tensor:
    """The number of at least 0 whose hyperbolic cosine is `input`; NaN below 1."""
    return _inverse["acosh"](_as_floats(input))


@method()
def atanh(input: Tensor) -> Tensor:
    """The number whose hyperbolic tangent is `input`; NaN outside [-1, 1]."""
    return _inverse["atanh"](_as_floats(input))


@method("remainder", "__mod__")
def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): of the sign of `other`, as Python's %.

    ZeroDivisionError for integers by 0; NaN for floats.

    >>> import pyautograd as ag
    >>> ag.tensor([-3, 3, 4]) % 3
    tensor([0, 0, 1])
    """
    return _divided("remainder", input, other, _remainder)


@method()
def fmod(input: Any, other: Any) -> Tensor:
    """input - other * trunc(input / other): of the sign of `input`, as C's fmod."""
    return _divided("fmod", input, other, _fmod)


@method("floor_divide", "__floordiv__")
def floor_divide(input: Any, other: Any) -> Tensor:
    """floor(input / other), broadcasting, without a gradient."""
    return _divided("floor_divide", input, other, _floor_divide)


method("__rmod__")(lambda x, other: remainder(other, x))
method("__rfloordiv__")(lambda x, other: floor_divide(other, x))


@method()
def atan2(input: Tensor, other: Any) -> Tensor:
    """The angle of the point (x=other, y=input), in (-pi, pi]."""
    return _atan2(_as_floats(input), other)


@method()
def hypot(input: Tensor, other: Any) -> Tensor:
    """sqrt(input^2 + other^2), without overflow on the way."""
    return _hypot(input, other)


@method()
def logaddexp(input: Tensor, other: Any) -> Tensor:
    """log(exp(input) + exp(other)), without overflow on the way."""
    return _logaddexp(input, other)


# ---- composed ------------------------------------------------------------------------------------


@method()
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input).

    >>> import pyautograd as ag
    >>> ag.lerp(ag.zeros(2), ag.tensor([10.0, 20.0]), 0.25)
    tensor([2.5000, 5.0000])
    """
    return ew.add(input, ew.mul(ew.sub(end, input), weight))


@method()
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return ew.add(input, ew.mul(tensor1, tensor2), alpha=value)


@method()
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return ew.add(input, ew.div(tensor1, tensor2), alpha=value)


@method()
def xlogy(input: Any, other: Any) -> Tensor:
    """input * log(other), 0 where `input` is 0 (and `other` is not NaN)."""
    x, y = beside(input, other), beside(other, input)
    nothing = ew.logical_and(ew.eq(x, 0.0), ew.logical_not(ew.isnan(y)))
    return where(nothing, 0.0, ew.mul(x, ew.log(where(nothing, 1.0, y))))


@method()
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(input / (1 - input)), of `input` clamped to [eps, 1 - eps] if eps is given."""
    p = input if eps is None else ew.clamp(input, eps, 1.0 - eps)
    return ew.log(ew.div(p, ew.sub(1.0, p)))


@method()
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    flat = ew.eq(input, 0.0)
    x = ew.mul(where(flat, 1.0, input), math.pi)
    return where(flat, 1.0, ew.div(sin(x), x))


@method()
def deg2rad(input: Tensor) -> Tensor:
    """Degrees in radians."""
    return ew.mul(input, math.pi / 180.0)


@method()
def rad2deg(input: Tensor) -> Tensor:
    """Radians in degrees."""
    return ew.mul(input, 180.0 / math.pi)


@method()
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in float64."""
    base, power = beside(input, exponent), beside(exponent, input)
    return ew.pow(base.to(np.float64), power.to(np.float64))


@method()
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """max(input, min)."""
    return ew.clamp(input, min=min)


@method()
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """min(input, max)."""
    return ew.clamp(input, max=max)


@method()
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two, broadcasting; a number wins over NaN."""
    return where(ew.isnan(input), other, where(ew.isnan(other), input, ew.maximum(input, other)))


@method()
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two, broadcasting; a number wins over NaN."""
    return where(ew.isnan(input), other, where(ew.isnan(other), input, ew.minimum(input, other)))


@method()
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, `values` at 0."""
    return where(ew.eq(input, 0.0), values, ew.gt(input, 0.0).to(input.dtype))


# ---- tests ---------------------------------------------------------------------------------------


_isinf = predicate("isinf")
_logical_xor = comparison("logical_xor")


@method()
def isinf(input: Tensor) -> Tensor:
    """Where `input` is infinite."""
    return _isinf(input)


@method()
def isposinf(input: Tensor) -> Tensor:
    """Where `input` is +inf."""
    return ew.eq(input, math.inf)


@method()
def isneginf(input: Tensor) -> Tensor:
    """Where `input` is -inf."""
    return ew.eq(input, -math.inf)


_signbit = primitive(
    "signbit", "elementwise", _quiet(np.signbit), None, lambda x: (x.shape, np.dtype(bool))
)


@method()
def signbit(input: Tensor) -> Tensor:
    """Where the sign is negative, -0.0 included."""
    return _signbit(input)


@method("logical_xor", "__xor__", "__rxor__")
def logical_xor(input: Any, other: Any) -> Tensor:
    """Whether just one is true (not 0), by element, broadcasting."""
    return _logical_xor(input, other)


@method()
def isclose(
    input: Tensor, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |input - other| <= atol + rtol |other|, or both are the same infinity.

    With `equal_nan`, also where both are NaN.
    """
    other = beside(other, input)
    tolerance = ew.add(ew.mul(ew.abs(other), rtol), atol)
    near = ew.le(ew.abs(ew.sub(input, other)), tolerance)
    near = ew.logical_and(near, ew.logical_and(ew.isfinite(input), ew.isfinite(other)))
    near = ew.logical_or(near, ew.eq(input, other))
    if equal_nan:
        near = ew.logical_or(near, ew.logical_and(ew.isnan(input), ew.isnan(other)))
    return near


@method()
def allclose(
    input: Tensor, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether `isclose` holds everywhere.

    >>> import pyautograd as ag
    >>> ag.allclose(ag.tensor([1.0, 2.0]), ag.tensor([1.0, 2.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@method()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same values."""
    return input.shape == other.shape and bool(ew.eq(input, other).all())
