"""Rows of the table of ops: mathematical functions and activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from case import INF, NAN, Case, Draw, apart, fixed, nonzero, op, positive


def within(*shape: int) -> Draw:
    return Draw(shape, lambda rng, shape: rng.uniform(-0.9, 0.9, shape))


def between(*shape: int) -> Draw:
    """Between the integers, and not half-way."""
    return Draw(shape, lambda rng, s: rng.integers(-3, 3, s) + rng.uniform(0.2, 0.4, s))


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


erf = np.vectorize(math.erf, otypes=[float])

FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Draw]]] = {
    "exp2": (np.exp2, nonzero),
    "expm1": (np.expm1, nonzero),
    "log2": (np.log2, positive),
    "log10": (np.log10, positive),
    "log1p": (np.log1p, positive),
    "sin": (np.sin, nonzero),
    "cos": (np.cos, nonzero),
    "tan": (np.tan, within),
    "asin": (np.arcsin, within),
    "acos": (np.arccos, within),
    "atan": (np.arctan, nonzero),
    "sinh": (np.sinh, nonzero),
    "cosh": (np.cosh, nonzero),
    "erf": (erf, nonzero),
    "floor": (np.floor, between),
    "ceil": (np.ceil, between),
    "round": (np.rint, between),
    "trunc": (np.trunc, between),
    "frac": (lambda x: x - np.trunc(x), between),
    "gelu": (lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, nonzero),
    "silu": (lambda x: x * ref.sigmoid(x), nonzero),
    "mish": (lambda x: x * np.tanh(softplus(x)), nonzero),
    "hardswish": (lambda x: x * np.clip(x + 3, 0, 6) / 6, nonzero),
    "relu6": (lambda x: np.clip(x, 0, 6), nonzero),
    "logsigmoid": (lambda x: -softplus(-x), nonzero),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), nonzero),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(x)), nonzero),
    "selu": (lambda x: ref.selu(x), nonzero),
    "softsign": (lambda x: x / (1 + np.abs(x)), nonzero),
    "tanhshrink": (lambda x: x - np.tanh(x), nonzero),
    "hardtanh": (lambda x: np.clip(x, -1, 1), between),
}

ACTIVATIONS: list[Case] = []
for name, (function, draw) in FUNCTIONS.items():
    ACTIVATIONS += [
        Case(name, op(name), [draw(2, 3)], function, large=[draw(3, 40_000)]),
        Case(f"{name} 0-d", op(name), [draw()], function),
        Case(f"{name} empty", op(name), [draw(0, 3)], function),
        Case(f"{name} twice",
             lambda K, x, n=name: getattr(K, n)(getattr(K, n)(x).tanh() * 0.4 + 0.52),
             [draw(17)], lambda x, f=function: f(np.tanh(f(x)) * 0.4 + 0.52)),
    ]  # fmt: skip

FAR = [-80.0, -7.0, -2.5, 2.5, 7.0, 80.0]
ACTIVATIONS += [
    *[Case(f"{name} far", op(name), [fixed(FAR)], FUNCTIONS[name][0])
      for name in ("gelu", "silu", "mish", "hardswish", "relu6", "logsigmoid", "elu",
                   "leaky_relu", "erf", "sin", "cos", "atan")],
    *[Case(f"{name} NaN", op(name), [fixed([NAN, 1.0])], FUNCTIONS[name][0], order=0)
      for name in ("gelu", "silu", "mish", "hardswish", "relu6", "elu", "leaky_relu", "erf", "sin",
                   "log1p", "expm1", "exp2", "floor", "round", "hardtanh")],
    *[Case(f"{name} at the kinks", op(name), [fixed(at)], FUNCTIONS[name][0], smooth=False)
      for name, at in (
          ("relu6", [0.0, 6.0]), ("hardswish", [-3.0, 3.0]),
          ("hardtanh", [-1.0, 1.0]), ("leaky_relu", [0.0]), ("elu", [0.0]), ("softsign", [0.0]),
      )],
    *[Case(f"{name} of integers", op(name), [fixed([-2, 0, 3])], function, order=0)
      for name, function in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc))],
    Case("log1p near -1", op("log1p"), [fixed([-1.0, -0.999, -1.5, INF])], np.log1p, order=0),
    Case("round half", op("round"), [fixed([0.5, 1.5, 2.5, -0.5, -1.5])], np.rint, smooth=False),
    Case("round decimals", lambda K, x: (K.round(x, decimals=1), K.round(x * 100.0, decimals=-1)),
         [apart(2, 3)], lambda x: (np.round(x, 1), np.round(100 * x, -1))),
    Case("circular far", lambda K, x: K.sin(x) + K.cos(x) + K.tan(x), [fixed([1e5, -3e6, 2e9])],
         lambda x: np.sin(x) + np.cos(x) + np.tan(x), order=0),
    Case("nan_to_num", lambda K, x: K.nan_to_num(x, 0.5, 2.0, -3.0), [fixed([NAN, INF, -INF, 1.0])],
         lambda x: np.array([0.5, 2.0, -3.0, 1.0]), smooth=False),
    Case("nan_to_num infinite", lambda K, x: K.nan_to_num(x) > 1e38, [fixed([NAN, INF, -INF, 1.0])],
         lambda x: np.array([False, True, False, False]), order=0),
    Case("gelu tanh", lambda K, x: K.gelu(x, approximate="tanh"), [(3, 4)],
         ref.gelu_tanh, large=[(3, 40_000)]),
    Case("gelu tanh far", lambda K, x: K.gelu(x, approximate="tanh"), [fixed(FAR)], ref.gelu_tanh),
    Case("leaky_relu slope", lambda K, x: K.leaky_relu(x, 0.3), [nonzero(3, 4)],
         lambda x: np.where(x > 0, x, 0.3 * x)),
    Case("leaky_relu negative slope", lambda K, x: K.leaky_relu(x, -0.5), [nonzero(3)],
         lambda x: np.where(x > 0, x, -0.5 * x)),
    Case("elu alpha", lambda K, x: K.elu(x, 0.7), [nonzero(3, 4)],
         lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    Case("celu", lambda K, x: K.celu(x, 0.5), [nonzero(3, 4)],
         lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5))),
    Case("hardtanh bounds", lambda K, x: K.hardtanh(x, -0.4, 0.9), [apart(3, 4)],
         lambda x: x.clip(-0.4, 0.9)),
    Case("softplus beta", lambda K, x: K.softplus(x, 2.0, 5.0), [fixed([-3.0, 0.5, 2.4, 2.6, 9.0])],
         lambda x: np.where(2 * x > 5, x, softplus(2 * x) / 2)),
    Case("hardsigmoid", op("hardsigmoid"), [fixed([-4.0, -3.0, -1.7, 0.0, 0.3, 3.0, 5.0])],
         lambda x: np.clip(x + 3, 0, 6) / 6, smooth=False, torch=False),  # whose 1/6 is a float32
    Case("softmin", lambda K, x: K.softmin(x, 1), [(2, 3)], lambda x: ref.softmax(-x, 1)),
    Case("hardshrink", lambda K, x: K.hardshrink(x, 0.6), [apart(3, 4)],
         lambda x: np.where(np.abs(x) > 0.6, x, 0)),
    Case("softshrink", lambda K, x: K.softshrink(x, 0.6), [apart(3, 4)],
         lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.6, 0)),
    Case("threshold", lambda K, x: K.threshold(x, 0.3, -2.0), [apart(3, 4)],
         lambda x: np.where(x > 0.3, x, -2.0)),
    Case("prelu", op("prelu"), [nonzero(3, 4), fixed([0.3])],
         lambda x, w: np.where(x > 0, x, w * x)),
    Case("prelu channels", op("prelu"), [nonzero(2, 3, 2), (3,)],
         lambda x, w: np.where(x > 0, x, w[:, None] * x), large=[nonzero(20, 30, 150), (30,)]),
    Case("prelu 1-D", op("prelu"), [nonzero(3), (1,)], lambda x, w: np.where(x > 0, x, w * x)),
    Case("glu", lambda K, x: K.glu(x, 1), [(2, 4)], lambda x: x[:, :2] * ref.sigmoid(x[:, 2:])),
]  # fmt: skip
