"""One table of all ops: a row says how to call an op, on what, and what NumPy makes of it.

test_ops.py runs every row through the same checks; a new op is one new row. `run` is handed a name
space (ours, or PyTorch's) and tensors; `reference` gets the same inputs as float64 arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import references as ref
from case import (
    INF,
    NAN,
    Case,
    Draw,
    apart,
    constant,
    fixed,
    integers,
    mask,
    nonzero,
    op,
    positive,
)
from cases_activation import ACTIVATIONS
from cases_further import FURTHER
from cases_layers import LAYERS
from cases_linalg import LINALG
from cases_more import MORE

from pyautograd import tape

CASES: list[Case] = [*ACTIVATIONS, *MORE, *FURTHER, *LINALG, *LAYERS]

# ---- element-wise --------------------------------------------------------------------------------

UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Draw]]] = {
    "neg": (np.negative, nonzero),
    "abs": (np.abs, nonzero),
    "sign": (np.sign, nonzero),
    "exp": (np.exp, nonzero),
    "log": (np.log, positive),
    "sqrt": (np.sqrt, positive),
    "rsqrt": (lambda x: 1 / np.sqrt(x), positive),
    "square": (np.square, nonzero),
    "reciprocal": (np.reciprocal, nonzero),
    "tanh": (np.tanh, nonzero),
    "sigmoid": (ref.sigmoid, nonzero),
    "relu": (lambda x: np.maximum(x, 0), nonzero),
    "softplus": (lambda x: np.log1p(np.exp(x)), nonzero),
}
for name, (function, draw) in UNARY.items():
    CASES += [
        Case(name, op(name), [draw(2, 3)], function, large=[draw(3, 40_000)]),
        Case(f"{name} 0-d", op(name), [draw()], function),
        Case(f"{name} one", op(name), [draw(1, 1)], function),
        Case(f"{name} empty", op(name), [draw(0, 3)], function),
        Case(f"{name} twice", lambda K, x, n=name: getattr(K, n)(getattr(K, n)(x).square() + 0.5),
             [draw(3)], lambda x, f=function: f(f(x) ** 2 + 0.5)),
    ]  # fmt: skip
CASES += [
    Case("relu special", op("relu"), [fixed([0.0, -0.0, NAN, INF, -INF])],
         lambda x: np.maximum(x, 0), smooth=False),
    Case("abs at 0", op("abs"), [fixed([0.0, -1.0])], np.abs, smooth=False),
    Case("sign at 0", op("sign"), [fixed([0.0, -1.0])], np.sign, smooth=False),
    Case("sigmoid far", op("sigmoid"), [fixed([-800.0, 800.0, -30.0, 30.0])],
         lambda x: np.exp(-np.logaddexp(0, -x))),
    Case("softplus far", op("softplus"), [fixed([-800.0, 800.0, -30.0, 15.0])],
         lambda x: np.logaddexp(0, x)),
    Case("tanh far", op("tanh"), [fixed([-800.0, 800.0, -30.0, 30.0])], np.tanh),
]  # fmt: skip

BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Draw]]] = {
    "add": (np.add, nonzero),
    "sub": (np.subtract, nonzero),
    "mul": (np.multiply, nonzero),
    "div": (np.divide, nonzero),
    "pow": (np.power, positive),
    "maximum": (np.maximum, apart),
    "minimum": (np.minimum, apart),
}
for name, (function, draw) in BINARY.items():
    shift = 0.013 if draw is apart else 0.0  # so that no two values are equal
    for label, a, b in (
        ("", (2, 3), (2, 3)),
        (" 0-d", (), ()),
        (" with 0-d", (2, 3), ()),
        (" row", (2, 3), (3,)),
        (" column", (2, 1), (2, 3)),
        (" outer", (2, 1, 3), (4, 1)),
        (" empty", (0, 3), (1, 3)),
        (" one", (1,), (1,)),
    ):
        CASES.append(
            Case(f"{name}{label}", lambda K, x, y, n=name, s=shift: getattr(K, n)(x, y + s),
                 [draw(*a), draw(*b)], lambda x, y, f=function, s=shift: f(x, y + s),
                 large=None if label else [draw(3, 40_000), draw(40_000)])
        )  # fmt: skip
CASES += [
    Case("same operand", lambda K, x: x * x + x / x - x * 0.5, [nonzero(2, 3)],
         lambda x: x * x + 1 - x * 0.5),
    Case("number right", lambda K, x: ((x + 1) * 2.5 - 3) / 4, [(2, 3)],
         lambda x: ((x + 1) * 2.5 - 3) / 4, large=[(3, 40_000)]),
    Case("number left", lambda K, x: 1 - 3 * (2 + 1.5 / x), [nonzero(2, 3)],
         lambda x: 1 - 3 * (2 + 1.5 / x)),
    Case("maximum equal", op("maximum"), [fixed([1.0, 2.0, 3.0]), fixed([1.0, 3.0, 2.0])],
         np.maximum, smooth=False),
    Case("minimum equal", op("minimum"), [fixed([1.0, 2.0, 3.0]), fixed([1.0, 3.0, 2.0])],
         np.minimum, smooth=False),
    Case("maximum NaN", op("maximum"), [fixed([NAN, 1.0, NAN]), fixed([1.0, NAN, NAN])],
         np.maximum, order=0),
    Case("minimum NaN", op("minimum"), [fixed([NAN, 1.0, NAN]), fixed([1.0, NAN, NAN])],
         np.minimum, order=0),
    Case("div special", op("div"), [fixed([1.0, -1.0, 0.0, INF]), fixed([0.0, 0.0, 0.0, INF])],
         np.divide, order=0),
    *[Case(f"pow {p}", lambda K, x, p=p: x**p, [nonzero(2, 3)], lambda x, p=p: x**p)
      for p in (2, 3, -1, -2, 0, 1, 2.0, 4.0)],
    *[Case(f"pow {p}", lambda K, x, p=p: x**p, [positive(2, 3)], lambda x, p=p: x**p)
      for p in (0.5, -0.5, 1.7)],
    *[Case(f"pow {p} at 0", lambda K, x, p=p: x**p, [fixed([0.0, 1.5, -2.0])],
           lambda x, p=p: x**p, smooth=p > 1) for p in (0, 1, 2, 3)],
    Case("number to a power", lambda K, x: 2.0**x + 3**x, [(2, 3)], lambda x: 2.0**x + 3.0**x),
    Case("0 to a power", lambda K, x: 0.0**x, [fixed([0.0, 1.0, 2.0])], lambda x: 0.0**x,
         smooth=False),
    Case("pow negative base", lambda K, x, p: x**p,
         [fixed([-1.5, -2.0, 2.0]), constant(fixed([2.0, 3.0, -2.0]))], np.power),
    Case("pow zeros", op("pow"),
         [fixed([0.0, 0.0, 0.0, 2.0, 3.0]), fixed([0.0, 2.0, 1.0, 0.0, 1.0])], np.power,
         order=1, smooth=False),
]  # fmt: skip

# ---- comparisons and selection -------------------------------------------------------------------

for name, function in (
    ("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal),
    ("gt", np.greater), ("ge", np.greater_equal),
):  # fmt: skip
    CASES += [
        Case(name, op(name), [integers(0, 3, 4, 5), integers(0, 3, 5)], function, order=0),
        Case(f"{name} floats", op(name), [fixed([1.0, 2.0, NAN]), fixed([1.0, 3.0, NAN])], function,
             order=0),
        Case(f"{name} number", lambda K, x, n=name: getattr(K, n)(x, 0.5), [(2, 3)],
             lambda x, f=function: f(x, 0.5), order=0),
    ]  # fmt: skip
CASES += [
    Case("comparison operators", lambda K, x, y: (x < y, x <= y, x > y, x >= y, x == y, x != y),
         [integers(0, 3, 4), integers(0, 3, 4)],
         lambda x, y: (x < y, x <= y, x > y, x >= y, x == y, x != y), order=0),
    Case("to integers", lambda K, x: (x.long(), x.bool()), [nonzero(4)],
         lambda x: (x.astype(np.int64), x != 0), order=0),
    Case("detach", op("detach"), [(2, 3)], lambda x: x, order=0),
    Case("logical_and", op("logical_and"), [mask(4), mask(3, 1)], np.logical_and, order=0),
    Case("logical_or", op("logical_or"), [mask(4), mask(3, 1)], np.logical_or, order=0),
    Case("logical_not", op("logical_not"), [mask(4)], np.logical_not, order=0),
    Case("mask operators", lambda K, x, y: (x & y, x | y, ~x), [mask(4), mask(4)],
         lambda x, y: (x & y, x | y, ~x), order=0),
    Case("isnan", op("isnan"), [fixed([1.0, NAN, INF])], np.isnan, order=0),
    Case("isfinite", op("isfinite"), [fixed([1.0, NAN, INF, -INF])], np.isfinite, order=0),
    Case("all", lambda K, x: (K.all(x), K.all(x, 1)), [mask(2, 3)], lambda x: (x.all(), x.all(1)),
         order=0),
    Case("any", lambda K, x: (K.any(x), K.any(x, 0, True)), [mask(2, 3)],
         lambda x: (x.any(), x.any(0, keepdims=True)), order=0),
    Case("where", op("where"), [mask(2, 3), (2, 3), (2, 3)], np.where,
         large=[mask(3, 40_000), (3, 40_000), (40_000,)]),
    Case("where broadcast", op("where"), [mask(3), (2, 1), ()], np.where),
    Case("where number", lambda K, c, x: K.where(c, x, 0.5) + K.where(c, -1.0, x),
         [mask(2, 3), (2, 3)], lambda c, x: np.where(c, x, 0.5) + np.where(c, -1.0, x)),
    Case("where empty", op("where"), [mask(0, 3), (0, 3), (1, 3)], np.where),
    Case("where NaN not taken", op("where"),
         [fixed([True, False]), fixed([1.0, NAN]), fixed([NAN, 2.0])], np.where, smooth=False),
    Case("masked_fill", lambda K, x, m: x.masked_fill(m, -2.5), [(2, 3), mask(2, 3)],
         lambda x, m: np.where(m, -2.5, x)),
    Case("clamp", lambda K, x: K.clamp(x, -0.5, 0.7), [apart(3, 4)], lambda x: x.clip(-0.5, 0.7)),
    Case("clamp min", lambda K, x: K.clamp(x, min=0.1), [apart(3, 4)], lambda x: x.clip(0.1)),
    Case("clamp max", lambda K, x: x.clamp(max=0.1), [apart(3, 4)], lambda x: x.clip(None, 0.1)),
    Case("clamp at bounds", lambda K, x: x.clamp(-1, 1), [fixed([-1.0, 1.0, 0.5])],
         lambda x: x.clip(-1, 1), smooth=False),
    Case("clamp NaN", lambda K, x: x.clamp(-1, 1), [fixed([NAN, INF, -INF])],
         lambda x: x.clip(-1, 1), order=0),
    Case("clamp tensors", lambda K, x, a: K.clamp(x, a - 1.01, a + 1.02), [apart(3, 4), apart(4)],
         lambda x, a: x.clip(a - 1.01, a + 1.02)),
    Case("clamp crossed", lambda K, x: x.clamp(1.0, -1.0), [apart(5)], lambda x: x.clip(1.0, -1.0)),
    Case("cast", lambda K, x: x.double() * 2.0, [(2, 3)], lambda x: x * 2, order=0),
]  # fmt: skip

# ---- reductions ----------------------------------------------------------------------------------

REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Draw]]] = {
    "sum": (np.sum, nonzero),
    "mean": (np.mean, nonzero),
    "amax": (np.max, apart),
    "amin": (np.min, apart),
    "var": (lambda x, **kw: np.var(x, ddof=1, **kw), nonzero),
    "std": (lambda x, **kw: np.std(x, ddof=1, **kw), nonzero),
}
for name, (function, draw) in REDUCTIONS.items():
    for label, dims in (
        ("", {}), (" 0", {"dim": 0}), (" 1 keepdim", {"dim": 1, "keepdim": True}),
        (" -1", {"dim": -1}), (" 0, 2", {"dim": (0, 2)}),
        (" -1, 0 keepdim", {"dim": (-1, 0), "keepdim": True}),
    ):  # fmt: skip
        over = {{"dim": "axis", "keepdim": "keepdims"}[key]: value for key, value in dims.items()}
        CASES.append(
            Case(f"{name}{label}", lambda K, x, n=name, kw=dims: getattr(K, n)(x, **kw),
                 [draw(2, 3, 4)], lambda x, f=function, kw=over: f(x, **kw),
                 large=[draw(7, 130, 120)])
        )  # fmt: skip
    if name not in ("var", "std"):
        CASES.append(Case(f"{name} 0-d", op(name), [draw()], function))
    CASES += [
        Case(f"{name} over 5-d", lambda K, x, n=name: getattr(K, n)(x, (0, 2, 4)),
             [draw(2, 2, 3, 1, 2)], lambda x, f=function: f(x, axis=(0, 2, 4))),
        Case(f"{name} empty rest", lambda K, x, n=name: getattr(K, n)(x, 1), [draw(0, 3)],
             lambda x, f=function: f(x, axis=1)),
    ]  # fmt: skip
CASES += [
    Case("sum nothing", lambda K, x: (K.sum(x), K.sum(x, 0)), [(0, 3)], lambda x: (0.0, x.sum(0))),
    Case("sum integers", lambda K, x: (K.sum(x), K.sum(x, 0)), [integers(0, 9, 2, 3)],
         lambda x: (x.sum(), x.sum(0)), order=0),
    Case("sum mask", lambda K, x: K.sum(x), [mask(2, 3)], lambda x: x.sum(), order=0),
    Case("var of 0", lambda K, x: K.var(x, 0, correction=0), [(3, 4)], lambda x: x.var(0)),
    Case("var biased", lambda K, x: K.var(x, 0, unbiased=False), [(3, 4)], lambda x: x.var(0)),
    Case("std of equal values", lambda K, x: K.std(x * 0.0 + 2.0, 1), [(2, 3)],
         lambda x: np.zeros(2), order=1, smooth=False),
    Case("std correction", lambda K, x: K.std(x, (0, 1), correction=2), [(3, 4)],
         lambda x: x.std(ddof=2)),
    Case("var far from 0", lambda K, x: K.var(x + 1000.0), [fixed([0.0, 0.5, 1.0])],
         lambda x: np.var(x, ddof=1)),
    Case("amax equal", lambda K, x: K.amax(x, 1), [fixed([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])],
         lambda x: x.max(1), smooth=False),
    Case("amax NaN", lambda K, x: K.amax(x, 1), [fixed([[1.0, NAN], [3.0, 2.0]])],
         lambda x: x.max(1), order=0),
    Case("amin NaN", lambda K, x: K.amin(x), [fixed([[1.0, NAN], [3.0, 2.0]])],
         lambda x: x.min(), order=0),
    Case("max all", lambda K, x: K.max(x), [apart(3, 4)], np.max),
    Case("min all", lambda K, x: x.min(), [apart(3, 4)], np.min),
    Case("max of two", lambda K, x, y: K.max(x, y + 0.013), [apart(3), apart(3)],
         lambda x, y: np.maximum(x, y + 0.013)),
    Case("max along", lambda K, x: tuple(K.max(x, 1)), [apart(3, 4, 2)],
         lambda x: ref.along(np.argmax, x, 1), large=[apart(30, 50, 100)]),
    Case("max along keepdim", lambda K, x: tuple(x.max(-1, True)), [apart(3, 4)],
         lambda x: ref.along(np.argmax, x, 1, True)),
    Case("min along", lambda K, x: tuple(K.min(x, 0)), [apart(3, 4)],
         lambda x: ref.along(np.argmin, x, 0), large=[apart(500, 300)]),
    Case("max along equal", lambda K, x: tuple(K.max(x, 1)), [fixed([[1.0, 2.0, 2.0], [3.0] * 3])],
         lambda x: ref.along(np.argmax, x, 1), smooth=False),
    Case("max along NaN", lambda K, x: tuple(K.max(x, 1)), [fixed([[1.0, NAN, 2.0, NAN]])],
         lambda x: ref.along(np.argmax, x, 1), smooth=False),
    Case("argmax", lambda K, x: (K.argmax(x), K.argmax(x, 0), K.argmax(x, -1, True)), [apart(3, 4)],
         lambda x: (x.argmax(), x.argmax(0), x.argmax(-1, keepdims=True)), order=0),
    Case("argmin", lambda K, x: (K.argmin(x), K.argmin(x, 1)), [apart(3, 4)],
         lambda x: (x.argmin(), x.argmin(1)), order=0),
    Case("argmax equal", lambda K, x: K.argmax(x, 1), [fixed([[2.0, 2.0, 1.0], [NAN, 1.0, NAN]])],
         lambda x: x.argmax(1), order=0),
    Case("prod", lambda K, x: K.prod(x), [nonzero(2, 3)], np.prod),
    Case("prod along", lambda K, x: K.prod(x, 1), [nonzero(2, 5, 2)], lambda x: x.prod(1),
         large=[nonzero(70, 7, 120)]),
    Case("prod keepdim", lambda K, x: K.prod(x, 0, True), [nonzero(2, 3)],
         lambda x: x.prod(0, keepdims=True)),
    Case("prod of a zero", lambda K, x: K.prod(x), [fixed([2.0, 0.0, -3.0])], np.prod),
    Case("prod of zeros", lambda K, x: K.prod(x, 1), [fixed([[0.0, 2.0, 0.0], [1.0, 2.0, 0.0]])],
         lambda x: x.prod(1)),
    Case("prod one", lambda K, x: K.prod(x), [nonzero(1)], np.prod),
    Case("prod empty", lambda K, x: K.prod(x, 0), [(0, 2)], lambda x: np.ones(2), order=0),
    Case("prod integers", lambda K, x: K.prod(x), [integers(1, 5, 4)], np.prod, order=0),
]  # fmt: skip

# ---- matrix products -----------------------------------------------------------------------------

for a, b in (
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((1, 1), (1, 1)),
    ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)), ((2, 1, 2, 3), (4, 3, 2)),
    ((1, 2, 3), (4, 3, 2)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((0, 3), (3, 4)),
    ((2, 0), (0, 4)), ((2, 3), (3, 0)), ((0, 2, 3), (0, 3, 4)), ((0, 2, 3), (3, 4)), ((0,), (0,)),
):  # fmt: skip
    CASES.append(Case(f"matmul {a} {b}", lambda K, x, y: x @ y, [a, b], np.matmul))
CASES += [
    Case("matmul sizes", op("matmul"), [(7, 5), (5, 9)], np.matmul,
         large=[(300, 210), (210, 330)]),
    Case("matmul batch", op("matmul"), [(2, 1, 3, 2), (2, 2, 3)], np.matmul,
         large=[(6, 1, 65, 70), (5, 70, 33)]),
    Case("matmul transposed", lambda K, a, b: a.mT @ b.mT, [(3, 2), (4, 3)], lambda a, b: a.T @ b.T,
         large=[(210, 300), (330, 210)]),
    Case("matmul by itself", lambda K, a: a @ a.mT @ a, [(3, 2)], lambda a: a @ a.T @ a),
    Case("matmul expanded", lambda K, a, b: a.expand(3, 2, 4) @ b.expand(3, 4, 2), [(2, 4), (4, 2)],
         lambda a, b: np.broadcast_to(a @ b, (3, 2, 2))),
    Case("mm", op("mm"), [(2, 3), (3, 4)], np.matmul),
    Case("bmm", op("bmm"), [(2, 2, 3), (2, 3, 2)], np.matmul),
    Case("dot", op("dot"), [(4,), (4,)], np.dot, large=[(100_000,), (100_000,)]),
    Case("linear", op("linear"), [(4, 3), (2, 3), (2,)], lambda x, w, b: x @ w.T + b,
         large=[(300, 210), (330, 210), (330,)]),
    Case("linear no bias", op("linear"), [(4, 3), (2, 3)], lambda x, w: x @ w.T),
    Case("linear 1-D", op("linear"), [(3,), (2, 3), (2,)], lambda x, w, b: x @ w.T + b),
    Case("linear 3-D", op("linear"), [(2, 2, 3), (2, 3), (2,)], lambda x, w, b: x @ w.T + b),
    Case("linear empty", op("linear"), [(0, 3), (2, 3), (2,)], lambda x, w, b: x @ w.T + b),
]  # fmt: skip
for equation, shapes in (
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]), ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]), ("ii", [(3, 3)]), ("abab->ba", [(2, 3, 2, 3)]), ("i,j", [(3,), (4,)]),
    ("i,i->", [(3,), (3,)]), ("ba,cb", [(2, 3), (4, 2)]), ("ij,jk->ik", [(2, 0), (0, 3)]),
    ("i...,i...->...", [(3, 2), (3, 2)]), ("...ij,...jk->...ik", [(3, 2), (2, 2, 3)]),
    ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 4)]), ("bn,anm,bm->ba", [(2, 3), (4, 3, 2), (2, 2)]),
    ("i,->i", [(3,), ()]),
):  # fmt: skip
    CASES.append(Case(f"einsum {equation} {shapes[0]}", lambda K, *x, e=equation: K.einsum(e, *x),
                      shapes, lambda *x, e=equation: np.einsum(e, *x)))  # fmt: skip

# ---- movement ------------------------------------------------------------------------------------

CASES += [
    Case("reshape", lambda K, x: x.reshape(3, -1).reshape((2, 2, 3)), [(2, 6)],
         lambda x: x.reshape(2, 2, 3)),
    Case("reshape transposed", lambda K, x: x.mT.reshape(6), [(2, 3)], lambda x: x.T.reshape(6)),
    Case("reshape empty", lambda K, x: x.reshape(3, 0), [(0, 2)], lambda x: x.reshape(3, 0)),
    Case("reshape 0-d", lambda K, x: x.reshape(()), [(1, 1)], lambda x: x.reshape(())),
    Case("view", lambda K, x: x.contiguous().view(3, 4), [(2, 6)], lambda x: x.reshape(3, 4)),
    Case("flatten", lambda K, x: (x.flatten(), x.flatten(1), K.flatten(x, 0, 1)), [(2, 3, 2)],
         lambda x: (x.reshape(-1), x.reshape(2, 6), x.reshape(6, 2))),
    Case("flatten 0-d", lambda K, x: x.flatten(), [()], lambda x: x.reshape(1)),
    Case("transpose", lambda K, x: K.transpose(x, 0, -1), [(2, 3, 4)], lambda x: x.swapaxes(0, 2)),
    Case("T and t", lambda K, x: (x.T, x.t(), x.mT), [(2, 3)], lambda x: (x.T, x.T, x.T)),
    Case("permute", lambda K, x: K.permute(x, (2, 0, -2)), [(2, 3, 4)],
         lambda x: x.transpose(2, 0, 1)),
    Case("permute numbers", lambda K, x: x.permute(1, 0), [(2, 3)], np.transpose),
    Case("movedim", lambda K, x: K.movedim(x, 0, -1), [(2, 3, 4)], lambda x: np.moveaxis(x, 0, -1)),
    Case("squeeze", lambda K, x: (x.squeeze(), x.squeeze(0), x.squeeze(1), x.squeeze((0, -1))),
         [(1, 3, 1)], lambda x: (x[0, :, 0], x[0], x, x[0, :, 0])),
    Case("unsqueeze", lambda K, x: (x.unsqueeze(0), x.unsqueeze(-1), K.unsqueeze(x, 1)), [(2, 3)],
         lambda x: (x[None], x[..., None], x[:, None])),
    Case("expand", lambda K, x: x.expand(4, 2, 3), [(2, 1)],
         lambda x: np.broadcast_to(x, (4, 2, 3))),
    Case("expand -1", lambda K, x: x.expand(-1, 4) * 2.0, [(3, 1)], lambda x: 2 * x.repeat(4, 1)),
    Case("expand empty", lambda K, x: x.expand(0, 3), [(1, 3)], lambda x: np.zeros((0, 3))),
    Case("broadcast_to", lambda K, x: K.broadcast_to(x, (2, 3)), [()],
         lambda x: np.full((2, 3), x)),
    Case("expand_as", lambda K, x, y: x.expand_as(y) * y, [(3,), (2, 3)], np.multiply),
    Case("clone", lambda K, x: x.clone(), [(2, 3)], np.copy),
    Case("contiguous", lambda K, x: x.mT.contiguous(), [(2, 3)], np.transpose),
    Case("cat", lambda K, a, b: K.cat((a, b), 1), [(2, 3), (2, 1)], lambda *x: np.hstack(x)),
    Case("cat 0", lambda K, a, b: K.cat([a, b, a]), [(2, 3), (1, 3)],
         lambda a, b: np.concatenate([a, b, a])),
    Case("cat empty", lambda K, a, b: K.cat((a, b), -1), [(2, 0), (2, 3)], lambda a, b: b.copy()),
    Case("stack", lambda K, a, b: (K.stack((a, b)), K.stack((a, b, a), -1)), [(2, 3), (2, 3)],
         lambda a, b: (np.stack((a, b)), np.stack((a, b, a), -1))),
    Case("split", lambda K, x: tuple(K.split(x, 2)), [(5, 2)], lambda x: (x[:2], x[2:4], x[4:])),
    Case("split sections", lambda K, x: tuple(x.split([1, 0, 3], 1)), [(2, 4)],
         lambda x: (x[:, :1], x[:, :0], x[:, 1:])),
    Case("chunk", lambda K, x: tuple(K.chunk(x, 3, 1)), [(2, 7)],
         lambda x: (x[:, :3], x[:, 3:6], x[:, 6:])),
    Case("unbind", lambda K, x: K.unbind(x, 1), [(2, 3)], lambda x: (x[:, 0], x[:, 1], x[:, 2])),
    Case("flip", lambda K, x: K.flip(x, (0, -1)), [(2, 3)], lambda x: x[::-1, ::-1]),
]  # fmt: skip

IMAGE = (1, 2, 4, 5)
CASES += [
    Case("pad", lambda K, x: K.pad(x, (1, 2)), [(2, 3)], lambda x: np.pad(x, ((0, 0), (1, 2)))),
    Case("pad value", lambda K, x: K.pad(x, (0, 1, 2, 0), value=-1.5), [(2, 3)],
         lambda x: np.pad(x, ((2, 0), (0, 1)), constant_values=-1.5)),
    Case("pad negative", lambda K, x: K.pad(x, (-1, 2, 1, -1)), [(3, 4)],
         lambda x: np.pad(x[:2, 1:], ((1, 0), (0, 2)))),
    Case("pad empty", lambda K, x: K.pad(x, (1, 1)), [(2, 0)], lambda x: np.zeros((2, 2))),
    *[Case(f"pad {mode}", lambda K, x, m=mode: K.pad(x, (1, 2, 3, 0), m), [IMAGE],
           lambda x, m=how: np.pad(x, ((0, 0), (0, 0), (3, 0), (1, 2)), m))
      for mode, how in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"))],
    *[Case(f"pad {mode} negative", lambda K, x, m=mode: K.pad(x, (2, -1, -1, 1), m), [IMAGE],
           lambda x, m=how: np.pad(x, ((0, 0), (0, 0), (0, 1), (2, 0)), m)[..., 1:, :-1],
           torch=mode != "circular")
      for mode, how in (("reflect", "reflect"), ("replicate", "edge"))],
]  # fmt: skip

# ---- indexing ------------------------------------------------------------------------------------

_AT = {"rows": np.array([2, 0, 2, -1]), "grid": np.array([[0, 1], [1, 0]])}
CASES += [
    *[Case(f"index [{label}]", lambda K, x, f=get: f(x), [(3, 4, 2)], get) for label, get in (
        ("1", lambda x: x[1]), ("-1", lambda x: x[-1]), ("1:", lambda x: x[1:]),
        ("::2, 1:3", lambda x: x[::2, 1:3]), (":, -1", lambda x: x[:, -1]),
        ("..., 0", lambda x: x[..., 0]), ("None, :, 1, None", lambda x: x[None, :, 1, None]),
        ("1, 2, 1", lambda x: x[1, 2, 1]), ("3:", lambda x: x[3:]), ("-2:-1", lambda x: x[-2:-1]),
        ("...", lambda x: x[...]), ("()", lambda x: x[()]), ("1:100", lambda x: x[1:100]),
    )],
    Case("index [::-1]", lambda K, x: x[::-1, :, ::-2], [(3, 4, 2)],
         lambda x: x[::-1, :, ::-2], torch=False),
    Case("index rows", lambda K, x, i: x[i], [(3, 4), fixed(_AT["rows"])], lambda x, i: x[i],
         large=[(900, 70), integers(0, 900, 2000)]),
    Case("index grid", lambda K, x, i: x[i], [(3, 2), fixed(_AT["grid"])], lambda x, i: x[i]),
    Case("index pairs", lambda K, x, i, j: x[i, j],
         [(3, 4), fixed(_AT["rows"]), fixed([-1, 3, 3, 0])], lambda x, i, j: x[i, j]),
    Case("index outer", lambda K, x, i, j: x[i.unsqueeze(1), j],
         [(3, 4), fixed([0, 2]), fixed([1, 1, 3])], lambda x, i, j: x[i[:, None], j]),
    Case("index second", lambda K, x, i: x[:, i], [(2, 3, 2), fixed(_AT["rows"])],
         lambda x, i: x[:, i]),
    Case("index mixed", lambda K, x, i: x[1:, i, ..., 0], [(3, 3, 2, 2), fixed(_AT["rows"])],
         lambda x, i: x[1:, i, :, 0], torch=False),  # PyTorch takes the number first
    Case("index apart", lambda K, x, i: x[i, :, i], [(3, 2, 3), fixed([0, 2, 2])],
         lambda x, i: x[i, :, i]),
    Case("index with None", lambda K, x, i: x[None, i], [(3, 2), fixed(_AT["rows"])],
         lambda x, i: x[None, i]),
    Case("index list", lambda K, x: x[[0, 2, 2]], [(3, 2)], lambda x: x[[0, 2, 2]]),
    Case("index list pair", lambda K, x: x[[0, 2], [1, 1]], [(3, 2)], lambda x: x[[0, 2], [1, 1]]),
    Case("index 0-d", lambda K, x, i: x[i], [(3, 2), fixed(1)], lambda x, i: x[i]),
    Case("index nothing", lambda K, x: x[[]], [(3, 2)], lambda x: x[:0]),
    Case("index empty", lambda K, x: x[:, [0, 1]], [(0, 2)], lambda x: x[:, [0, 1]]),
    Case("mask", lambda K, x, m: x[m], [(3, 4), mask(3, 4)], lambda x, m: x[m]),
    Case("mask rows", lambda K, x, m: x[m], [(3, 4), fixed([True, False, True])],
         lambda x, m: x[m]),
    Case("mask columns", lambda K, x, m: x[:, m], [(2, 3), fixed([True, False, True])],
         lambda x, m: x[:, m]),
    Case("mask of itself", lambda K, x: x[x > 0], [apart(3, 4)], lambda x: x[x > 0]),
    Case("mask after ...", lambda K, x, m: x[..., m], [(2, 3), fixed([True, False, True])],
         lambda x, m: x[..., m]),
    Case("gather", lambda K, x, i: K.gather(x, 1, i), [(3, 4), integers(0, 4, 3, 6)],
         lambda x, i: np.take_along_axis(x, i, 1), large=[(300, 400), integers(0, 400, 300, 500)]),
    Case("gather 0", lambda K, x, i: x.gather(0, i), [(3, 4), integers(0, 3, 2, 3)],
         lambda x, i: np.take_along_axis(x[:, :3], i, 0)),
    Case("gather inner", lambda K, x, i: x.gather(-2, i), [(2, 3, 2), integers(0, 3, 2, 4, 2)],
         lambda x, i: np.take_along_axis(x, i, 1)),
    Case("gather empty", lambda K, x, i: K.gather(x, 0, i), [(3,), integers(0, 3, 0)],
         lambda x, i: x[:0]),
    Case("index_select", lambda K, x, i: K.index_select(x, 1, i), [(2, 3), fixed([2, 0, 2])],
         lambda x, i: x[:, i]),
    Case("masked_select", lambda K, x, m: K.masked_select(x, m), [(2, 3), mask(2, 3)],
         lambda x, m: x[m]),
    Case("masked_select row", lambda K, x, m: x.masked_select(m),
         [(2, 3), fixed([True, False, True])], lambda x, m: x[:, m].reshape(-1)),
]  # fmt: skip

# ---- softmax and losses --------------------------------------------------------------------------

for name, function in (("softmax", ref.softmax), ("log_softmax", ref.log_softmax)):
    CASES += [
        Case(f"{name} {d}", lambda K, x, n=name, d=d: getattr(K, n)(x, d), [(2, 3, 4)],
             lambda x, f=function, d=d: f(x, d), large=[(50, 60, 40)])
        for d in (0, 1, -1)
    ]  # fmt: skip
    CASES += [
        Case(f"{name} large", lambda K, x, n=name: getattr(K, n)(x, 0),
             [fixed([1000.0, 999.0, 998.0])],
             lambda x, f=function: f(x, 0)),
        Case(f"{name} one", lambda K, x, n=name: getattr(K, n)(x, 1), [(2, 1)],
             lambda x, f=function: f(x, 1)),
        Case(f"{name} 0-d", lambda K, x, n=name: getattr(K, n)(x, 0), [()],
             lambda x, f=function: f(x.reshape(1), 0)[0]),
        Case(f"{name} empty", lambda K, x, n=name: getattr(K, n)(x, 1), [(0, 3)], np.copy),
        Case(f"{name} -inf", lambda K, x, n=name: getattr(K, n)(x, 0), [fixed([0.0, -INF, 1.0])],
             lambda x, f=function: np.log(ref.softmax(x, 0)) if f is ref.log_softmax else f(x, 0),
             order=0),
    ]  # fmt: skip


def reduced_of_nothing(reduction: str) -> Any:
    return {"mean": np.asarray(np.nan), "sum": np.asarray(0.0), "none": np.zeros(0)}[reduction]


CLASSES = integers(0, 3, 4)
IGNORED = fixed([1, -100, 2, 0])
WEIGHT = constant(positive(3))
CASES += [
    Case("nll_loss", op("nll_loss"), [(4, 3), CLASSES], ref.nll_loss,
         large=[(2000, 50), integers(0, 50, 2000)]),
    Case("nll_loss weight", op("nll_loss"), [(4, 3), CLASSES, WEIGHT], ref.nll_loss),
    Case("nll_loss ignore", op("nll_loss"), [(4, 3), IGNORED], ref.nll_loss),
    Case("nll_loss images", op("nll_loss"), [(2, 3, 2, 2), integers(0, 3, 2, 2, 2)], ref.nll_loss),
    Case("nll_loss none", lambda K, x, t: K.nll_loss(x, t, reduction="none"), [(4, 3), IGNORED],
         lambda x, t: ref.nll_loss(x, t, reduction="none")),
    Case("nll_loss one", op("nll_loss"), [(3,), fixed(2)], lambda x, t: -x[t]),
    Case("cross_entropy", op("cross_entropy"), [(4, 3), CLASSES], ref.cross_entropy,
         large=[(2000, 50), integers(0, 50, 2000)]),
    *[Case(f"cross_entropy {r}", lambda K, x, t, w, r=r: K.cross_entropy(x, t, w, reduction=r),
           [(4, 3), IGNORED, WEIGHT],
           lambda x, t, w, r=r: ref.cross_entropy(x, t, weight=w, reduction=r))
      for r in ("mean", "sum", "none")],
    *[Case(f"cross_entropy smoothing {r}",
           lambda K, x, t, w, r=r: K.cross_entropy(
               x, t, w, ignore_index=2, reduction=r, label_smoothing=0.3),
           [(4, 3), fixed([1, 2, 0, 1]), WEIGHT],
           lambda x, t, w, r=r: ref.cross_entropy(
               x, t, weight=w, ignore_index=2, reduction=r, label_smoothing=0.3))
      for r in ("mean", "sum", "none")],
    Case("cross_entropy smoothing", lambda K, x, t: K.cross_entropy(x, t, label_smoothing=0.1),
         [(4, 3), CLASSES], lambda x, t: ref.cross_entropy(x, t, label_smoothing=0.1)),
    Case("cross_entropy images", op("cross_entropy"), [(2, 3, 2, 2), integers(0, 3, 2, 2, 2)],
         ref.cross_entropy),
    *[Case(f"cross_entropy images {r}",  # all that it can do, down columns
           lambda K, x, t, w, r=r: K.cross_entropy(
               x, t, w, ignore_index=1, reduction=r, label_smoothing=0.2),
           [(2, 3, 2, 3), integers(0, 3, 2, 2, 3), WEIGHT],
           lambda x, t, w, r=r: ref.cross_entropy(
               x, t, weight=w, ignore_index=1, reduction=r, label_smoothing=0.2),
           large=[(7, 3, 50, 61), integers(0, 3, 7, 50, 61), WEIGHT])
      for r in ("mean", "none")],
    Case("cross_entropy many classes", op("cross_entropy"), [(3, 40), integers(0, 40, 3)],
         ref.cross_entropy, large=[(300, 700), integers(0, 700, 300)]),
    Case("cross_entropy few classes", op("cross_entropy"), [(5, 2), integers(0, 2, 5)],
         ref.cross_entropy, large=[(40000, 3), integers(0, 3, 40000)]),
    Case("cross_entropy smoothing, many classes",
         lambda K, x, t: K.cross_entropy(x, t, label_smoothing=0.1), [(2, 20), integers(0, 20, 2)],
         lambda x, t: ref.cross_entropy(x, t, label_smoothing=0.1)),
    *[Case(f"cross_entropy empty {r}", lambda K, x, t, r=r: K.cross_entropy(x, t, reduction=r),
           [(0, 3), integers(0, 3, 0)], lambda x, t, r=r: reduced_of_nothing(r),
           smooth=r != "mean", order=1)
      for r in ("mean", "sum", "none")],
    *[Case(f"cross_entropy all ignored {r}",
           lambda K, x, t, r=r: K.cross_entropy(x, t, reduction=r),
           [(2, 3), fixed([-100, -100])],
           lambda x, t, r=r: np.zeros(2) if r == "none" else reduced_of_nothing(r),
           smooth=r != "mean", order=1)
      for r in ("mean", "sum", "none")],
    Case("cross_entropy sure", op("cross_entropy"),  # no digits lost where the loss is small
         [fixed([[30.0, 15.0, 1.0], [-90.0, 5.0, -70.0]]), fixed([0, 1])],
         lambda x, t: np.log1p(np.exp([-15.0, -95.0]) + np.exp([-29.0, -75.0])).mean(), order=0),
    Case("cross_entropy one", op("cross_entropy"), [(3,), fixed(1)],
         lambda x, t: -ref.log_softmax(x, 0)[t]),
    Case("cross_entropy int32", lambda K, x, t: K.cross_entropy(x, t.long()), [(4, 3), CLASSES],
         ref.cross_entropy),
    *[Case(f"cross_entropy probabilities {r}",
           lambda K, x, p, w, r=r: K.cross_entropy(
               x, K.softmax(p, 1), w, reduction=r, label_smoothing=0.2),
           [(4, 3), (4, 3), WEIGHT],
           lambda x, p, w, r=r: ref.soft_cross_entropy(x, ref.softmax(p, 1), w, 0.2, r))
      for r in ("mean", "sum", "none")],
    Case("cross_entropy probabilities 1-D", lambda K, x, p: K.cross_entropy(x, K.softmax(p, 0)),
         [(3,), (3,)], lambda x, p: -(ref.softmax(p, 0) * ref.log_softmax(x, 0)).sum()),
    *[Case(f"mse_loss {r}", lambda K, x, y, r=r: K.mse_loss(x, y, reduction=r), [(2, 3), (2, 3)],
           lambda x, y, r=r: ref.reduced((x - y) ** 2, r)) for r in ("mean", "sum", "none")],
    *[Case(f"l1_loss {r}", lambda K, x, y, r=r: K.l1_loss(x, y + 0.01, reduction=r),
           [apart(2, 3), apart(2, 3)], lambda x, y, r=r: ref.reduced(np.abs(x - y - 0.01), r))
      for r in ("mean", "sum", "none")],
    *[Case(f"bce_with_logits {r}",
           lambda K, x, t, w, p, r=r: K.binary_cross_entropy_with_logits(
               x, t, w, reduction=r, pos_weight=p),
           [(2, 3), constant(positive(2, 3)), constant(positive(2, 3)), WEIGHT],
           lambda x, t, w, p, r=r: ref.bce_with_logits(x, t, w, r, p))
      for r in ("mean", "sum", "none")],
    Case("bce_with_logits", op("binary_cross_entropy_with_logits"), [(2, 3), positive(2, 3)],
         ref.bce_with_logits),
    Case("bce_with_logits far", op("binary_cross_entropy_with_logits"),
         [fixed([-900.0, 900.0]), constant(fixed([1.0, 1.0]))], lambda x, t: np.array(450.0)),
]  # fmt: skip

# ---- convolution and windows ---------------------------------------------------------------------

for label, x, w, options in (
    ("", (2, 2, 4, 5), (3, 2, 3, 2), {}),
    (" 1x1", (2, 3, 3, 2), (2, 3, 1, 1), {}),
    (" stride", (1, 2, 6, 5), (2, 2, 3, 2), {"stride": (2, 3)}),
    (" padding", (1, 2, 3, 4), (2, 2, 3, 3), {"padding": (1, 2)}),
    (" dilation", (1, 1, 6, 5), (2, 1, 3, 2), {"dilation": (2, 3)}),
    (" all", (1, 2, 7, 6), (2, 2, 3, 2), {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 2)}),
    (" groups", (1, 4, 4, 3), (6, 2, 2, 2), {"groups": 2, "padding": 1}),
    (" depthwise", (2, 3, 4, 4), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    (" depthwise stride", (1, 2, 5, 5), (4, 1, 3, 3), {"groups": 2, "stride": 2, "padding": 1}),
    (" empty batch", (0, 2, 4, 5), (3, 2, 3, 2), {}),
    (" one", (1, 1, 1, 1), (1, 1, 1, 1), {}),
    (" rest", (1, 1, 6, 6), (1, 1, 3, 3), {"stride": 2}),
):
    CASES += [
        Case(f"conv2d{label}", lambda K, x, w, kw=options: K.conv2d(x, w, **kw), [x, w],
             lambda x, w, kw=options: ref.conv2d(x, w, **kw)),
        Case(f"conv2d{label} bias", lambda K, x, w, b, kw=options: K.conv2d(x, w, b, **kw),
             [x, w, (w[0],)], lambda x, w, b, kw=options: ref.conv2d(x, w, b, **kw)),
    ]  # fmt: skip
CASES += [
    Case("conv2d same", lambda K, x, w: K.conv2d(x, w, padding="same"),
         [(1, 2, 4, 5), (2, 2, 3, 3)], lambda x, w: ref.conv2d(x, w, padding=1),
         large=[(4, 17, 33, 31), (40, 17, 3, 3)]),
    Case("conv2d same even", lambda K, x, w: K.conv2d(x, w, padding="same"),
         [(1, 2, 3, 4), (2, 2, 2, 3)],
         lambda x, w: ref.conv2d(np.pad(x, ((0, 0), (0, 0), (0, 1), (1, 1))), w)),
    Case("conv2d same dilation", lambda K, x, w: K.conv2d(x, w, padding="same", dilation=2),
         [(1, 1, 4, 5), (2, 1, 3, 3)], lambda x, w: ref.conv2d(x, w, padding=2, dilation=2)),
    Case("conv2d valid", lambda K, x, w: K.conv2d(x, w, padding="valid"),
         [(1, 1, 4, 5), (2, 1, 3, 3)], ref.conv2d),
    Case("conv2d 3-D", lambda K, x, w: K.conv2d(x, w), [(2, 4, 5), (2, 2, 3, 3)],
         lambda x, w: ref.conv2d(x[None], w)[0]),
    Case("conv2d sizes", lambda K, x, w, b: K.conv2d(x, w, b, 2, 1),
         [(1, 2, 5, 4), (3, 2, 3, 3), (3,)], lambda x, w, b: ref.conv2d(x, w, b, 2, 1),
         large=[(5, 9, 40, 37), (33, 9, 3, 3), (33,)]),
    Case("conv2d depthwise sizes", lambda K, x, w: K.conv2d(x, w, None, 1, 1, 1, x.shape[1]),
         [(1, 2, 4, 4), (2, 1, 3, 3)], lambda x, w: ref.conv2d(x, w, None, 1, 1, 1, x.shape[1]),
         large=[(4, 20, 40, 41), (20, 1, 3, 3)]),
    Case("conv2d depthwise stride sizes",
         lambda K, x, w: K.conv2d(x, w, None, 2, 2, 1, x.shape[1]),
         [(1, 2, 4, 5), (2, 1, 5, 5)], lambda x, w: ref.conv2d(x, w, None, 2, 2, 1, x.shape[1]),
         large=[(3, 20, 41, 38), (20, 1, 5, 5)]),
    Case("conv2d deep sizes", lambda K, x, w, b: K.conv2d(x, w, b, 1, 1),
         [(1, 2, 3, 3), (2, 2, 3, 3), (2,)], lambda x, w, b: ref.conv2d(x, w, b, 1, 1),
         large=[(2, 70, 7, 7), (130, 70, 3, 3), (130,)]),
    Case("conv2d few channels sizes", lambda K, x, w: K.conv2d(x, w),
         [(1, 1, 4, 5), (2, 1, 3, 3)], ref.conv2d, large=[(1, 3, 70, 50), (6, 3, 5, 5)]),
    Case("conv2d groups sizes", lambda K, x, w: K.conv2d(x, w, None, 1, 1, 1, 2),
         [(1, 4, 3, 3), (2, 2, 3, 3)], lambda x, w: ref.conv2d(x, w, None, 1, 1, 1, 2),
         large=[(3, 20, 30, 31), (24, 10, 3, 3)]),
    Case("conv2d 1x1 sizes", lambda K, x, w: K.conv2d(x, w), [(1, 4, 3, 3), (2, 4, 1, 1)],
         ref.conv2d, large=[(3, 40, 33, 31), (50, 40, 1, 1)]),
]  # fmt: skip

for name, x, w, options in (
    ("conv1d", (2, 2, 6), (3, 2, 3), {}),
    ("conv1d all", (1, 4, 9), (4, 2, 2), {"stride": 2, "padding": 1, "dilation": 3, "groups": 2}),
    ("conv1d depthwise", (2, 3, 5), (3, 1, 3), {"padding": (1,), "groups": 3}),
    ("conv1d empty batch", (0, 2, 4), (3, 2, 2), {}),
    ("conv3d", (2, 2, 3, 3, 4), (2, 2, 2, 2, 3), {}),
    ("conv3d 1x1", (1, 2, 2, 3, 2), (3, 2, 1, 1, 1), {}),
    ("conv3d flat", (1, 2, 2, 4, 3), (2, 2, 1, 3, 3), {"padding": (0, 1, 1)}),
    ("conv3d all", (1, 2, 5, 4, 4), (2, 1, 2, 2, 3),
     {"stride": (2, 1, 2), "padding": (1, 0, 1), "dilation": (2, 1, 1), "groups": 2}),
    ("conv3d empty batch", (0, 2, 3, 3, 3), (3, 2, 2, 2, 2), {}),
    ("conv_transpose1d", (2, 2, 4), (2, 3, 3), {}),
    ("conv_transpose1d all", (1, 4, 4), (4, 1, 3),
     {"stride": 3, "padding": 2, "output_padding": 1, "groups": 2, "dilation": 2}),
    ("conv_transpose2d", (2, 2, 3, 2), (2, 3, 2, 3), {}),
    ("conv_transpose2d stride", (1, 3, 3, 3), (3, 2, 3, 3),
     {"stride": 2, "padding": 1, "output_padding": 1}),
    ("conv_transpose2d all", (1, 4, 3, 2), (4, 1, 3, 2),
     {"stride": (2, 1), "padding": (1, 2), "output_padding": (1, 0), "groups": 2,
      "dilation": (1, 3)}),
    ("conv_transpose2d beyond the padding", (1, 2, 3, 3), (2, 2, 2, 2),
     {"stride": (1, 2), "padding": (1, 1), "output_padding": (2, 2), "dilation": 3}),
    ("conv_transpose2d depthwise", (1, 2, 3, 3), (2, 1, 2, 2), {"stride": 2, "groups": 2}),
    ("conv_transpose2d empty batch", (0, 2, 3, 3), (2, 3, 2, 2), {}),
    ("conv_transpose3d", (1, 2, 2, 3, 2), (2, 2, 2, 2, 2), {}),
    ("conv_transpose3d flat", (1, 2, 2, 3, 2), (2, 2, 1, 2, 2), {}),
    ("conv_transpose3d all", (1, 2, 3, 2, 2), (2, 1, 3, 2, 2),
     {"stride": (2, 1, 2), "padding": (1, 0, 1), "output_padding": (1, 0, 1), "groups": 2,
      "dilation": (1, 2, 1)}),
):  # fmt: skip
    function, transposed = name.split()[0], "transpose" in name
    reference = ref.conv_transpose_nd if transposed else ref.conv_nd
    out = w[1] * options.get("groups", 1) if transposed else w[0]
    CASES += [
        Case(name, lambda K, x, w, f=function, kw=options: getattr(K, f)(x, w, **kw), [x, w],
             lambda x, w, f=reference, kw=options: f(x, w, **kw)),
        Case(f"{name} bias",
             lambda K, x, w, b, f=function, kw=options: getattr(K, f)(x, w, b, **kw),
             [x, w, (out,)], lambda x, w, b, f=reference, kw=options: f(x, w, b, **kw)),
    ]  # fmt: skip
CASES += [
    Case("conv1d same", lambda K, x, w: K.conv1d(x, w, padding="same"),
         [(1, 2, 5), (2, 2, 4)], lambda x, w: ref.conv_nd(np.pad(x, ((0, 0), (0, 0), (1, 2))), w),
         large=[(4, 17, 300), (40, 17, 4)]),
    Case("conv1d 2-D", lambda K, x, w: K.conv1d(x, w), [(2, 5), (3, 2, 2)],
         lambda x, w: ref.conv_nd(x[None], w)[0]),
    Case("conv3d same", lambda K, x, w: K.conv3d(x, w, padding="same"),
         [(1, 1, 3, 3, 3), (2, 1, 3, 1, 3)], lambda x, w: ref.conv_nd(x, w, padding=(1, 0, 1)),
         large=[(2, 9, 7, 20, 21), (24, 9, 3, 1, 3)]),
    Case("conv3d 4-D", lambda K, x, w: K.conv3d(x, w), [(2, 2, 3, 3), (1, 2, 2, 2, 2)],
         lambda x, w: ref.conv_nd(x[None], w)[0]),
    Case("conv_transpose2d sizes", lambda K, x, w, b: K.conv_transpose2d(x, w, b, 2, 1, 1),
         [(1, 2, 3, 2), (2, 3, 3, 3), (3,)],
         lambda x, w, b: ref.conv_transpose_nd(x, w, b, 2, 1, 1),
         large=[(5, 33, 20, 19), (33, 9, 3, 3), (9,)]),
    Case("conv_transpose2d 3-D", lambda K, x, w: K.conv_transpose2d(x, w),
         [(2, 2, 3), (2, 2, 2, 2)], lambda x, w: ref.conv_transpose_nd(x[None], w)[0]),
]  # fmt: skip

for label, x, args in (
    ("", (2, 2, 4, 5), (2,)),
    (" pair", (1, 2, 5, 4), ((3, 2),)),
    (" all", (1, 1, 6, 5), ((2, 3), 2, 1, (2, 1))),
    (" overlap", (1, 2, 5, 5), (3, 1, 1, 1)),
    (" empty batch", (0, 2, 4, 4), (2,)),
):
    size = x[2:]
    count = ref.unfold(np.zeros((1, *x[1:])), *args).shape[1:]
    CASES += [
        Case(f"unfold{label}", lambda K, x, a=args: K.unfold(x, *a), [x],
             lambda x, a=args: ref.unfold(x, *a), large=[(6, 11, 40, 30)]),
        Case(f"fold{label}", lambda K, c, s=size, a=args: K.fold(c, s, *a), [(x[0], *count)],
             lambda c, s=size, a=args: ref.fold(c, s, *a)),
    ]  # fmt: skip
CASES += [
    Case("unfold 3-D", lambda K, x: K.unfold(x, 2), [(2, 3, 3)],
         lambda x: ref.unfold(x[None], 2)[0]),
    Case("fold 2-D", lambda K, c: K.fold(c, (3, 3), 2), [(8, 4)],
         lambda c: ref.fold(c[None], (3, 3), 2)[0]),
    Case("fold sizes", lambda K, c: K.fold(c, (5, c.shape[-1] // 5), 3, padding=1), [(1, 9, 20)],
         lambda c: ref.fold(c, (5, c.shape[-1] // 5), 3, padding=1), large=[(3, 45, 650)]),
    Case("fold overlap 1-D", lambda K, c: K.fold(c, (1, 5), (1, 3), stride=1), [(1, 3, 3)],
         lambda c: ref.fold(c, (1, 5), (1, 3))),
]  # fmt: skip

for label, x, args in (
    ("", (2, 2, 4, 6), (2,)),
    (" rest", (1, 2, 5, 7), ((2, 3),)),
    (" stride", (1, 1, 5, 6), (2, (1, 2))),
    (" overlap", (1, 2, 5, 5), (3, 1)),
    (" padding", (1, 1, 4, 5), (3, 2, 1)),
    (" dilation", (1, 1, 6, 6), (2, 1, 0, (2, 3))),
    (" ceil", (1, 2, 5, 6), (2, 3, 0, 1, True)),
    (" ceil padding", (1, 1, 5, 6), (3, 2, 1, 1, True)),
    (" all", (1, 1, 7, 8), ((3, 2), (2, 3), (1, 1), (2, 1), True)),
    (" one", (1, 1, 1, 1), (1,)),
    (" empty batch", (0, 2, 4, 4), (2,)),
):
    large = [apart(6, 10, 40, 30)]
    CASES += [
        Case(f"max_pool2d{label}", lambda K, x, a=args: K.max_pool2d(x, *a), [apart(*x)],
             lambda x, a=args: ref.max_pool2d(x, *a)[0], large=large),
        Case(f"max_pool2d{label} indices",
             lambda K, x, a=args: K.max_pool2d(x, *a, return_indices=True),
             [apart(*x)], lambda x, a=args: ref.max_pool2d(x, *a)),
    ]  # fmt: skip
    if len(args) < 4:
        CASES.append(
            Case(f"avg_pool2d{label}", lambda K, x, a=args: K.avg_pool2d(x, *a), [x],
                 lambda x, a=args: ref.avg_pool2d(x, *a), large=large)
        )  # fmt: skip
CASES += [
    Case("max_pool2d equal", lambda K, x: K.max_pool2d(x, 2, return_indices=True),
         [fixed(np.ones((1, 1, 4, 4)))], lambda x: ref.max_pool2d(x, 2), smooth=False),
    Case("max_pool2d NaN", lambda K, x: K.max_pool2d(x, 2, 1, return_indices=True),
         [fixed([[[1.0, NAN, 2.0], [4.0, 5.0, 6.0], [INF, -INF, -INF]]])],
         lambda x: [a[0] for a in ref.max_pool2d(x[None], 2, 1)], smooth=False),
    Case("max_pool2d -inf", lambda K, x: K.max_pool2d(x, 3, 1, 1, return_indices=True),
         [fixed(np.full((1, 1, 3, 3), -INF))], lambda x: ref.max_pool2d(x, 3, 1, 1), order=0),
    Case("max_pool2d 3-D", lambda K, x: K.max_pool2d(x, 2), [apart(2, 4, 4)],
         lambda x: ref.max_pool2d(x[None], 2)[0][0]),
    *[Case(f"avg_pool2d {label}", lambda K, x, a=args: K.avg_pool2d(x, *a), [(1, 2, 5, 6)],
           lambda x, a=args: ref.avg_pool2d(x, *a)) for label, args in (
        ("ceil", (2, 3, 0, True)), ("ceil padding", (3, 2, 1, True)),
        ("without padding", (3, 2, 1, False, False)), ("ceil without", (3, 2, 1, True, False)),
        ("divisor", (2, 2, 0, False, True, 3)), ("divisor padding", (3, 2, 1, True, False, 5)),
    )],
    Case("avg_pool2d 3-D", lambda K, x: K.avg_pool2d(x, 2), [(2, 4, 4)],
         lambda x: ref.avg_pool2d(x[None], 2)[0]),
    *[Case(f"adaptive_avg_pool2d {size}", lambda K, x, s=size: K.adaptive_avg_pool2d(x, s),
           [(1, 2, 5, 7)], lambda x, s=size: ref.adaptive_avg_pool2d(x, s),
           large=[(6, 10, 40, 30)])
      for size in ((1, 1), (2, 3), (3, None), (5, 7), (7, 9))],
    Case("adaptive_avg_pool2d 3-D", lambda K, x: K.adaptive_avg_pool2d(x, 2), [(2, 4, 5)],
         lambda x: ref.adaptive_avg_pool2d(x[None], (2, 2))[0]),
]  # fmt: skip

# ---- normalisation, dropout ----------------------------------------------------------------------

STATISTICS = [constant((3,)), constant(positive(3))]
for label, x in (("", (4, 3)), (" 1-D", (2, 3, 2)), (" images", (2, 3, 2, 2))):
    large = [(40, 30, *(20,) * (len(x) - 2))]
    CASES += [
        Case(f"batch_norm{label}", lambda K, x: K.batch_norm(x, None, None, training=True), [x],
             ref.batch_norm, large=large),
        Case(f"batch_norm{label} affine",
             lambda K, x, w, b: K.batch_norm(x, None, None, w, b, True), [x, (3,), (3,)],
             lambda x, w, b: ref.batch_norm(x, None, None, w, b),
             large=[*large, (30,), (30,)]),
        Case(f"batch_norm{label} eval", lambda K, x, m, v: K.batch_norm(x, m, v), [x, *STATISTICS],
             ref.batch_norm),
        Case(f"batch_norm{label} eval affine", lambda K, x, m, v, w, b: K.batch_norm(x, m, v, w, b),
             [x, *STATISTICS, (3,), (3,)], ref.batch_norm),
    ]  # fmt: skip
CASES += [
    *[Case(f"batch_norm {label}",
           lambda K, x, w, b, f=first: K.batch_norm(x, None, None, w if f else None, b, True),
           [(4, 3, 2), (3,), (3,)],
           lambda x, w, b, f=first: ref.batch_norm(x, None, None, w if f else None, b),
           torch=first)
      for label, first in (("bias alone", False), ("both", True))],
    Case("batch_norm weight alone", lambda K, x, w: K.batch_norm(x, None, None, w, None, True),
         [(4, 3, 2), (3,)], lambda x, w: ref.batch_norm(x, None, None, w)),
    Case("batch_norm short runs", lambda K, x, w, b: K.batch_norm(x, None, None, w, b, True),
         [(2, 3, 5), (3,), (3,)], lambda x, w, b: ref.batch_norm(x, None, None, w, b),
         large=[(90, 70, 15), (70,), (70,)]),
    Case("batch_norm odd columns", lambda K, x, w, b: K.batch_norm(x, None, None, w, b, True),
         [(5, 3), (3,), (3,)], lambda x, w, b: ref.batch_norm(x, None, None, w, b),
         large=[(700, 203), (203,), (203,)]),
    Case("batch_norm outlier first", lambda K, x: K.batch_norm(x, None, None, training=True),
         [Draw((70, 2), lambda rng, s: rng.standard_normal(s) * np.r_[1000, [1] * 69][:, None])],
         ref.batch_norm, order=1),
    *[Case(f"layer_norm {label}", lambda K, x, w, b, n=n: K.layer_norm(x, x.shape[-n:], w, b),
           [x, x[-n:], x[-n:]], lambda x, w, b, n=n: ref.layer_norm(x, n, w, b),
           large=[(*(300,) * (len(x) - n), *large), large, large])
      for label, x, n, large in (
          ("1-D", (5,), 1, (3000,)), ("rows", (4, 5), 1, (203,)),
          ("images", (2, 3, 2), 2, (30, 11)),
          ("one row", (1, 7), 1, (5,)), ("two batches", (2, 3, 4), 1, (7,)),
      )],
    Case("layer_norm plain", lambda K, x: K.layer_norm(x, x.shape[1:]), [(3, 4)],
         lambda x: ref.layer_norm(x, 1), large=[(300, 203)]),
    Case("layer_norm weight alone", lambda K, x, w: K.layer_norm(x, (4,), w), [(3, 4), (4,)],
         lambda x, w: ref.layer_norm(x, 1, w)),
    Case("layer_norm bias alone", lambda K, x, b: K.layer_norm(x, (4,), None, b), [(3, 4), (4,)],
         lambda x, b: ref.layer_norm(x, 1, None, b), torch=False),
    Case("layer_norm far from 0", lambda K, x: K.layer_norm(x + 100.0, (9,), eps=0.01), [(4, 9)],
         lambda x: ref.layer_norm(x, 1, eps=0.01)),
    Case("layer_norm empty", lambda K, x, w: K.layer_norm(x, (4,), w), [(0, 4), (4,)],
         lambda x, w: x.copy()),
    *[Case(f"group_norm {label}", lambda K, x, w, b, n=n: K.group_norm(x, n, w, b),
           [x, (x[1],), (x[1],)], lambda x, w, b, n=n: ref.group_norm(x, n, w, b),
           large=[(30, 24, *(17,) * (len(x) - 2)), (24,), (24,)])
      for label, x, n in (
          ("1", (2, 3, 4), 1), ("2", (3, 4, 2), 2), ("images", (2, 4, 2, 3), 2),
          ("flat", (3, 12), 3), ("all", (2, 3, 4), 3),
      )],
    Case("group_norm plain", lambda K, x: K.group_norm(x, 2), [(2, 4, 3)],
         lambda x: ref.group_norm(x, 2), large=[(30, 24, 50)]),
    Case("group_norm empty", lambda K, x, w: K.group_norm(x, 2, w), [(0, 4, 2), (4,)],
         lambda x, w: x.copy(), torch=False),
    Case("instance_norm", lambda K, x, w, b: K.instance_norm(x, weight=w, bias=b),
         [(2, 3, 4), (3,), (3,)], lambda x, w, b: ref.group_norm(x, x.shape[1], w, b),
         large=[(30, 24, 50), (24,), (24,)]),
    Case("instance_norm running",
         lambda K, x, m, v: K.instance_norm(x, m, v, use_input_stats=False),
         [(2, 3, 4), *STATISTICS], ref.batch_norm),
    *[Case(f"rms_norm {label}", lambda K, x, w, n=n: K.rms_norm(x, x.shape[-n:], w, eps=1e-3),
           [x, x[-n:]], lambda x, w, n=n: ref.rms_norm(x, n, 1e-3, w),
           large=[(*(300,) * (len(x) - n), *large), large])
      for label, x, n, large in (
          ("1-D", (5,), 1, (3000,)), ("rows", (4, 5), 1, (203,)),
          ("images", (2, 3, 2), 2, (30, 11)),
      )],
    Case("rms_norm plain", lambda K, x: K.rms_norm(x, (4,), eps=0.0), [nonzero(3, 4)],
         lambda x: ref.rms_norm(x, 1, 0.0)),
    Case("batch_norm eps", lambda K, x: K.batch_norm(x, None, None, training=True, eps=0.1),
         [(4, 3)], lambda x: ref.batch_norm(x, eps=0.1)),
    Case("batch_norm far from 0",
         lambda K, x: K.batch_norm(x + 100.0, None, None, training=True, eps=0.01), [(4, 3)],
         lambda x: ref.batch_norm(x, eps=0.01)),
    Case("batch_norm eval empty", lambda K, x, m, v: K.batch_norm(x, m, v), [(0, 3), *STATISTICS],
         ref.batch_norm),
    Case("dropout p=0", lambda K, x: K.dropout(x, 0.0), [(2, 3)], np.copy),
    Case("dropout p=1", lambda K, x: K.dropout(x, 1.0), [(2, 3)], np.zeros_like),
    Case("dropout eval", lambda K, x: K.dropout(x, 0.7, False), [(2, 3)], np.copy),
]  # fmt: skip

# ---- creation: float32 unless told otherwise -----------------------------------------------------

CASES += [
    Case(f"create {label}", run, [], lambda a=array: a, order=0)
    for label, run, array in (
        ("zeros", lambda K: K.zeros(2, 3), np.zeros((2, 3), np.float32)),
        ("ones", lambda K: K.ones((2, 0)), np.ones((2, 0), np.float32)),
        ("full", lambda K: K.full((2,), 1.5), np.full(2, 1.5, np.float32)),
        ("full int", lambda K: K.full((2,), 3), np.full(2, 3)),
        ("arange", lambda K: K.arange(5), np.arange(5)),
        ("arange step", lambda K: K.arange(1, 10, 3), np.arange(1, 10, 3)),
        ("arange floats", lambda K: K.arange(0, 1, 0.25), np.arange(0, 1, 0.25).astype("f4")),
        ("arange down", lambda K: K.arange(5, 0, -2), np.arange(5, 0, -2)),
        ("linspace", lambda K: K.linspace(-1, 1, 5), np.linspace(-1, 1, 5).astype("f4")),
        ("eye", lambda K: K.eye(2, 3), np.eye(2, 3, dtype=np.float32)),
        ("eye square", lambda K: K.eye(3), np.eye(3, dtype=np.float32)),
        ("tensor", lambda K: K.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([[1, 2], [3, 4]], "f4")),
        ("tensor int", lambda K: K.tensor([1, 2]), np.array([1, 2])),
        ("tensor bool", lambda K: K.tensor([True, False]), np.array([True, False])),
        ("tensor 0-d", lambda K: K.tensor(2.5), np.array(2.5, np.float32)),
    )
]
CASES += [
    Case("zeros_like", lambda K, x: K.zeros_like(x), [(2, 3)], np.zeros_like, order=0),
    Case("ones_like", lambda K, x: K.ones_like(x), [(2, 3)], np.ones_like, order=0),
    Case("full_like", lambda K, x: K.full_like(x, 2.5), [(2, 3)], lambda x: np.full_like(x, 2.5),
         order=0),
]  # fmt: skip

# ---- in place ------------------------------------------------------------------------------------


def changed(x: Any, change: Callable[..., Any], *others: Any) -> Any:
    """The base of what `change` has changed a part of."""
    x = x.clone() if hasattr(x, "clone") else x.copy()
    change(x, *others)
    return x


def set_row(x: Any, v: Any) -> None:
    x[1] = v


def set_places(x: Any, v: Any) -> None:
    x[[2, 0]] = v


def scale_columns(x: Any, v: Any) -> None:
    columns = x.T[1:]
    columns *= v


CASES += [
    Case(f"in place {change.__name__.replace('_', ' ')} {shape}",
         lambda K, x, v, f=change: changed(x, f, v), [(3, 4), shape],
         lambda x, v, f=change: changed(x, f, v))
    for change, shape in (
        (set_row, (4,)), (set_row, ()), (set_places, (2, 4)), (set_places, (4,)),
        (scale_columns, (3, 3)), (scale_columns, (3,)),
    )
]  # fmt: skip
CASES += [
    Case("assign", lambda K, x, v: tape.tensors.assign(x, v, (slice(1, 3), ...)), [(3, 4), (4,)],
         lambda x, v: changed(x, lambda y, v: y.__setitem__(slice(1, 3), v), v), torch=False),
]  # fmt: skip

NAMES = [case.name for case in CASES]
assert len(set(NAMES)) == len(NAMES), "two rows of one name"
