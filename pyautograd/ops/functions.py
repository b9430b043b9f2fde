"""Mathematical functions, element by element: exponentials, circular functions, rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd.op import binary, method, unary
from pyautograd.ops import elementwise as ew
from pyautograd.ops.elementwise import where
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor

__all__ = [
    "acos",
    "arccos",
    "arcsin",
    "arctan",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "log10",
    "log1p",
    "log2",
    "nan_to_num",
    "round",
    "sin",
    "sinh",
    "tan",
    "trunc",
]

# ---- exponentials and logarithms -----------------------------------------------------------------

LOG_2, LOG_10 = math.log(2.0), math.log(10.0)

exp2 = unary("exp2", lambda K, g, saved, needs: (K.mul(g, K.mul(saved[0], LOG_2)),), saves=OUT)
expm1 = unary("expm1", lambda K, g, saved, needs: (K.mul(g, K.add(saved[0], 1.0)),), saves=OUT)
log1p = unary("log1p", lambda K, g, saved, needs: (K.div(g, K.add(saved[0], 1.0)),), saves=0)
log2 = unary("log2", lambda K, g, saved, needs: (K.div(g, K.mul(saved[0], LOG_2)),), saves=0)
log10 = unary("log10", lambda K, g, saved, needs: (K.div(g, K.mul(saved[0], LOG_10)),), saves=0)
erf = unary("erf", lambda K, g, saved, needs: (K.erf_grad(g, saved[0]),), saves=0)


def _erf_grad_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    """Of u 2 / sqrt(pi) exp(-x^2)."""
    u, x = saved
    gu = K.erf_grad(g, x)
    return gu, needs[1] and K.mul(K.mul(gu, u), K.mul(x, -2.0))


binary("erf_grad", _erf_grad_rule)

# ---- circular and hyperbolic functions -----------------------------------------------------------

sin = unary("sin", lambda K, g, saved, needs: (K.sin_grad(g, saved[0]),), saves=0)
cos = unary("cos", lambda K, g, saved, needs: (K.cos_grad(g, saved[0]),), saves=0)
# sin_grad(u, x) = u cos x, cos_grad(u, x) = -u sin x
binary(
    "sin_grad",
    lambda K, g, saved, needs: (
        needs[0] and K.sin_grad(g, saved[1]),
        needs[1] and K.cos_grad(K.mul(g, saved[0]), saved[1]),
    ),
)
binary(
    "cos_grad",
    lambda K, g, saved, needs: (
        needs[0] and K.cos_grad(g, saved[1]),
        needs[1] and K.neg(K.sin_grad(K.mul(g, saved[0]), saved[1])),
    ),
)


def _tan_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.mul(g, K.add(K.mul(saved[0], saved[0]), 1.0)),)


def _asin_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.div(g, K.sqrt(K.sub(1.0, K.mul(saved[0], saved[0])))),)


def _acos_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.neg(_asin_rule(K, g, saved, needs)[0]),)


def _atan_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.div(g, K.add(K.mul(saved[0], saved[0]), 1.0)),)


tan = unary("tan", _tan_rule, saves=OUT)
asin = arcsin = unary("asin", _asin_rule, saves=0)
acos = arccos = unary("acos", _acos_rule, saves=0)
atan = arctan = unary("atan", _atan_rule, saves=0)
sinh = unary("sinh", lambda K, g, saved, needs: (K.mul(g, K.cosh(saved[0])),), saves=0)
cosh = unary("cosh", lambda K, g, saved, needs: (K.mul(g, K.sinh(saved[0])),), saves=0)

# ---- rounding: the gradient is 0 -----------------------------------------------------------------


def _flat(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    return (K.mul(g, 0.0),)


floor = unary("floor", _flat, saves=OUT)
ceil = unary("ceil", _flat, saves=OUT)
trunc = unary("trunc", _flat, saves=OUT)
_round = unary("round", _flat, saves=OUT)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer, of two the even one; or to that many decimals. The gradient is 0.

    >>> import pyautograd as ag
    >>> ag.round(ag.tensor([0.5, 1.5, -2.7]))
    tensor([ 0.,  2., -3.])
    """
    if not decimals:
        return _round(input)
    power = 10.0 ** abs(decimals)
    if decimals > 0:
        return ew.div(_round(ew.mul(input, power)), power)
    return ew.mul(_round(ew.div(input, power)), power)


def frac(input: Tensor) -> Tensor:
    """What `trunc` takes away: input - trunc(input)."""
    return ew.sub(input, trunc(input))


def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN and the infinities replaced, these by the largest finite numbers unless given.

    No gradient goes to what is replaced.
    """
    if input.dtype.kind != "f":
        return input
    largest = float(np.finfo(input.dtype).max)
    out = where(ew.isnan(input), nan, input)
    out = where(ew.eq(input, math.inf), largest if posinf is None else posinf, out)
    return where(ew.eq(input, -math.inf), -largest if neginf is None else neginf, out)


# ---- methods -------------------------------------------------------------------------------------

for _function, _formula in (
    (exp2, "2^x."),
    (expm1, "exp(x) - 1, exact near 0 too."),
    (log1p, "log(1 + x), exact near 0 too."),
    (log2, "The logarithm to base 2."),
    (log10, "The logarithm to base 10."),
    (erf, "The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."),
    (sin, "The sine of x in radians."),
    (cos, "The cosine of x in radians."),
    (tan, "The tangent of x in radians."),
    (asin, "The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1]."),
    (acos, "The angle in [0, pi] whose cosine is x; NaN outside [-1, 1]."),
    (atan, "The angle in (-pi/2, pi/2) whose tangent is x."),
    (sinh, "(exp(x) - exp(-x)) / 2."),
    (cosh, "(exp(x) + exp(-x)) / 2."),
    (floor, "The largest integer that is not above x. The gradient is 0."),
    (ceil, "The smallest integer that is not below x. The gradient is 0."),
    (trunc, "The integer part of x, towards 0. The gradient is 0."),
):
    _function.__doc__ = f"{_formula} Element by element."
    method()(_function)
for _function in (round, frac, nan_to_num):
    method()(_function)
for _function, _other in ((asin, "arcsin"), (acos, "arccos"), (atan, "arctan")):
    method(_other)(_function)
