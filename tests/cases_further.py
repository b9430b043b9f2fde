"""Rows of the table of ops: arithmetic, products, arranging, statistics and positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import INF, NAN, Case, apart, fixed, integers, mask, nonzero, op, positive

FURTHER: list[Case] = []


def odds(x: Any) -> Any:
    return np.log(x / (1 - x))


# ---- arithmetic ----------------------------------------------------------------------------------

INTEGERS = fixed([-7, -3, 0, 3, 8])
FURTHER += [
    *[Case(f"{name} {case}", op(name), inputs, function, order=order, smooth=smooth)
      for name, function in (("remainder", np.remainder), ("fmod", np.fmod))
      for case, inputs, order, smooth in (
          ("floats", [fixed([[5.3, -5.3, 0.7], [-0.2, 9.1, 3.4]]), fixed([1.5, -2.1, 2.6])], 2,
           True),
          ("integers", [INTEGERS, fixed([3])], 0, True),
          ("special", [fixed([1.0, INF, NAN, 2.0]), fixed([0.0, 2.0, 1.0, INF])], 0, False),
      )],
    Case("remainder numbers", lambda K, x: (x % 3, x % -2), [INTEGERS],
         lambda x: (x % 3, x % -2), order=0),
    Case("floor_divide", lambda K, x, y: (x // y, K.floor_divide(x, 3)), [(4,), nonzero(4)],
         lambda x, y: (x // y, x // 3), order=0),
    Case("floor_divide integers", lambda K, x: x // 2, [INTEGERS], lambda x: x // 2, order=0),
    Case("atan2", op("atan2"), [nonzero(3, 4), nonzero(4)], np.arctan2, large=[(300, 40), (40,)]),
    Case("atan2 axes", op("atan2"), [fixed([0.0, 0.0, 1.0, -1.0]), fixed([1.0, -1.0, 0.0, 0.0])],
         np.arctan2, smooth=False),
    Case("hypot", op("hypot"), [nonzero(3, 4), nonzero(4)], np.hypot),
    Case("hypot huge", op("hypot"), [fixed([3e30]), fixed([4e30])], np.hypot, order=0,
         torch=False),
    Case("logaddexp", op("logaddexp"), [(3, 4), (4,)], np.logaddexp),
    Case("logaddexp far", op("logaddexp"), [fixed([1000.0, -1000.0]), fixed([1.0, -1001.0])],
         np.logaddexp, order=1, smooth=False),
    Case("asinh", op("asinh"), [(3, 4)], np.arcsinh),
    Case("acosh", op("acosh"), [fixed([1.5, 2.0, 10.0])], np.arccosh),
    Case("atanh", op("atanh"), [fixed([-0.9, 0.1, 0.5])], np.arctanh),
    Case("lerp", op("lerp"), [(3, 4), (4,), (3, 1)], lambda a, b, w: a + w * (b - a)),
    Case("lerp number", lambda K, a, b: K.lerp(a, b, 0.3), [(3,), (3,)],
         lambda a, b: a + 0.3 * (b - a)),
    Case("addcmul", lambda K, a, b, c: K.addcmul(a, b, c, value=0.5), [(3, 4), (4,), (3, 1)],
         lambda a, b, c: a + 0.5 * b * c),
    Case("addcdiv", lambda K, a, b, c: K.addcdiv(a, b, c, value=2), [(3, 4), (4,), nonzero(3, 1)],
         lambda a, b, c: a + 2 * b / c),
    Case("xlogy", op("xlogy"), [(3,), positive(3)], lambda x, y: x * np.log(y)),
    Case("xlogy zero", op("xlogy"), [fixed([0.0, 0.0, 2.0]), fixed([0.0, NAN, 1.0])],
         lambda x, y: np.array([0.0, NAN, 0.0]), order=0),
    Case("logit", lambda K, x: (K.logit(x), K.logit(x, 0.2)), [fixed([0.1, 0.5, 0.7])],
         lambda x: (odds(x), odds(np.clip(x, 0.2, 0.8)))),
    Case("sinc", op("sinc"), [nonzero(3, 4)], np.sinc),
    Case("sinc zero", op("sinc"), [fixed([0.0, 1.0])], np.sinc, order=0),
    Case("deg2rad", lambda K, x: (K.deg2rad(x), K.rad2deg(x)), [(3,)],
         lambda x: (np.deg2rad(x), np.rad2deg(x))),
    Case("float_power", lambda K, x: K.float_power(x, 2).to(x.dtype), [(3,)], lambda x: x**2.0),
    Case("clamp_min clamp_max", lambda K, x: (K.clamp_min(x, -0.5), K.clamp_max(x, 0.5)),
         [apart(3, 4)], lambda x: (np.maximum(x, -0.5), np.minimum(x, 0.5))),
    Case("fmax fmin", lambda K, x, y: (K.fmax(x, y), K.fmin(x, y)), [apart(7), (7,)],
         lambda x, y: (np.fmax(x, y), np.fmin(x, y))),
    Case("fmax NaN", lambda K, x, y: (K.fmax(x, y), K.fmin(x, y)),
         [fixed([NAN, 1.0, NAN]), fixed([2.0, NAN, NAN])],
         lambda x, y: (np.fmax(x, y), np.fmin(x, y)), order=0),
    Case("heaviside", op("heaviside"), [fixed([-1.0, 0.0, 2.0]), fixed([0.5])], np.heaviside,
         order=0),
    *[Case(name, op(name), [fixed([1.0, INF, -INF, NAN, -0.0])], getattr(np, numpy), order=0)
      for name, numpy in (("isinf", "isinf"), ("isposinf", "isposinf"), ("isneginf", "isneginf"),
                          ("signbit", "signbit"))],
    Case("logical_xor", lambda K, a, b: (K.logical_xor(a, b), a ^ b), [mask(9), mask(9)],
         lambda a, b: (a ^ b, a ^ b), order=0),
    Case("isclose", lambda K, a, b: (K.isclose(a, b), K.isclose(a, b, equal_nan=True)),
         [fixed([1.0, 1.0, INF, INF, NAN, 1.0]), fixed([1.0 + 1e-9, 1.1, INF, -INF, NAN, INF])],
         lambda a, b: (np.isclose(a, b), np.isclose(a, b, equal_nan=True)), order=0),
]  # fmt: skip

# ---- products ------------------------------------------------------------------------------------


def embedded(x: Any, offset: int = 0) -> Any:
    return np.stack([np.diag(row, offset) for row in x.reshape(-1, x.shape[-1])]).reshape(
        *x.shape[:-1], x.shape[-1] + abs(offset), x.shape[-1] + abs(offset)
    )


FURTHER += [
    Case("mv", op("mv"), [(3, 4), (4,)], np.matmul),
    Case("vdot", op("vdot"), [(4,), (4,)], np.vdot),
    Case("inner", op("inner"), [(2, 3, 4), (5, 4)], np.inner),
    Case("inner 0-d", op("inner"), [(), (3,)], np.multiply),
    Case("addmm", lambda K, c, a, b: K.addmm(c, a, b, beta=0.5, alpha=2), [(5,), (3, 4), (4, 5)],
         lambda c, a, b: 0.5 * c + 2 * a @ b),
    Case("addmv", lambda K, c, a, b: (K.addmv(c, a, b), c.addmv(a, b, beta=0)),
         [(3,), (3, 4), (4,)], lambda c, a, b: (c + a @ b, a @ b)),
    Case("addr", op("addr"), [(3, 4), (3,), (4,)], lambda c, a, b: c + np.outer(a, b)),
    Case("baddbmm", op("baddbmm"), [(2, 3, 5), (2, 3, 4), (2, 4, 5)], lambda c, a, b: c + a @ b),
    Case("addbmm", op("addbmm"), [(3, 5), (2, 3, 4), (2, 4, 5)],
         lambda c, a, b: c + (a @ b).sum(0)),
    *[Case(f"tensordot {dims}", lambda K, a, b, d=dims: K.tensordot(a, b, d), [(2, 3, 4), shape],
           lambda a, b, d=dims: np.tensordot(a, b, d))
      for dims, shape in ((2, (3, 4, 5)), (1, (4, 2)), (0, (2,)), (([1, 2], [1, 0]), (4, 3, 5)))],
    *[Case(f"kron {a} {b}", op("kron"), [a, b], np.kron)
      for a, b in (((2, 3), (4, 5)), ((2,), (3, 2)), ((2, 1, 3), (2,)), ((), (2, 2)))],
    Case("cross", lambda K, a, b: K.cross(a, b, 1), [(2, 3, 2), (2, 3, 2)],
         lambda a, b: np.cross(a, b, axis=1)),
    Case("trace", op("trace"), [(3, 4)], np.trace),
    *[Case(f"diag_embed {k}", lambda K, x, k=k: K.diag_embed(x, k), [(2, 3)],
           lambda x, k=k: embedded(x, k)) for k in (-2, 0, 1)],
    Case("diag_embed dims", lambda K, x: (K.diag_embed(x, 1, 0, 2), K.diag_embed(x, 1, 2, 0)),
         [(2, 3)], lambda x: (np.moveaxis(embedded(x, 1), 0, 1),
                              np.moveaxis(embedded(x, 1), (0, 1, 2), (1, 2, 0)))),
    Case("diag", lambda K, x, y: (K.diag(x, -1), K.diag(y, 1), K.diagflat(y)), [(3,), (2, 3)],
         lambda x, y: (np.diag(x, -1), np.diag(y, 1), np.diagflat(y))),
    Case("block_diag", lambda K, a, b, c: K.block_diag(a, b, c), [(2, 3), (1, 2), (2,)],
         lambda a, b, c: np.block([[a, np.zeros((2, 4))],
                                   [np.zeros((1, 3)), b, np.zeros((1, 2))],
                                   [np.zeros((1, 5)), c[None]]])),
    Case("cdist", lambda K, a, b: (K.cdist(a, b), K.cdist(a, b, p=1)), [(2, 3, 4), (2, 5, 4)],
         lambda a, b: (np.linalg.norm(a[:, :, None] - b[:, None], axis=-1),
                       np.abs(a[:, :, None] - b[:, None]).sum(-1)), order=1),
    Case("dist", op("dist"), [(3, 4), (3, 4)], lambda a, b: np.linalg.norm(a - b)),
]  # fmt: skip

# ---- arranging -----------------------------------------------------------------------------------

FURTHER += [
    Case("atleast", lambda K, x, y: (K.atleast_1d(x), K.atleast_2d(y), K.atleast_3d(y)), [(), (3,)],
         lambda x, y: (np.atleast_1d(x), np.atleast_2d(y), np.atleast_3d(y))),
    *[Case(f"{name} {shape}", lambda K, a, b, n=name: getattr(K, n)((a, b)), [shape, shape],
           lambda a, b, n=name: getattr(np, n)((a, b)))
      for name in ("vstack", "hstack", "dstack", "column_stack") for shape in ((3,), (2, 3))],
    Case("meshgrid", lambda K, a, b: (*K.meshgrid(a, b, indexing="ij"),
                                      *K.meshgrid(a, b, indexing="xy")), [(2,), (3,)],
         lambda a, b: (*np.meshgrid(a, b, indexing="ij"), *np.meshgrid(a, b))),
    Case("cartesian_prod", op("cartesian_prod"), [(2,), (3,)],
         lambda a, b: np.array([[x, y] for x in a for y in b])),
    Case("broadcast_tensors", lambda K, a, b: tuple(K.broadcast_tensors(a, b)), [(2, 1), (3,)],
         lambda a, b: tuple(np.broadcast_arrays(a, b))),
    Case("narrow", lambda K, x: (K.narrow(x, 1, 1, 2), x.narrow(0, -2, 1)), [(3, 4)],
         lambda x: (x[:, 1:3], x[1:2])),
    Case("select", lambda K, x: K.select(x, 1, -1), [(3, 4)], lambda x: x[:, -1]),
    *[Case(f"tensor_split {n}", lambda K, x, n=n: tuple(K.tensor_split(x, n, 1)), [(2, 7)],
           lambda x, n=n: tuple(np.array_split(x, n, 1))) for n in (3, [2, 5], [1, -2], 9)],
    Case("hsplit vsplit dsplit", lambda K, x: (*K.hsplit(x, 3), *K.vsplit(x, [1]), *K.dsplit(x, 2)),
         [(2, 3, 4)], lambda x: (*np.hsplit(x, 3), *np.vsplit(x, [1]), *np.dsplit(x, 2))),
    Case("unflatten", lambda K, x: K.unflatten(x, 1, (2, -1)), [(2, 6)],
         lambda x: x.reshape(2, 2, 3)),
    Case("movedim several", lambda K, x: K.movedim(x, (0, 2), (1, 0)), [(2, 3, 4)],
         lambda x: np.moveaxis(x, (0, 2), (1, 0))),
    *[Case(f"rot90 {k}", lambda K, x, k=k: K.rot90(x, k), [(2, 3)], lambda x, k=k: np.rot90(x, k))
      for k in (-1, 0, 1, 2)],
    Case("flipud fliplr", lambda K, x: (K.flipud(x), K.fliplr(x), K.ravel(x)), [(2, 3)],
         lambda x: (np.flipud(x), np.fliplr(x), np.ravel(x))),
]  # fmt: skip

# ---- statistics ----------------------------------------------------------------------------------


def logsumexp(x: Any, axis: Any) -> Any:
    return np.log(np.exp(x).sum(axis))


FURTHER += [
    *[Case(f"logsumexp {d}", lambda K, x, d=d: K.logsumexp(x, d), [(2, 3, 4)],
           lambda x, d=d: logsumexp(x, d)) for d in (0, (0, 2), -1)],
    Case("logsumexp infinite", lambda K, x: K.logsumexp(x, 1),
         [fixed([[-INF, -INF], [INF, 0.0], [1e4, 1e4]])],
         lambda x: np.array([-INF, INF, 1e4 + np.log(2)]), order=0),
    Case("aminmax", lambda K, x: tuple(K.aminmax(x, dim=1)), [apart(3, 4)],
         lambda x: (x.min(1), x.max(1))),
    Case("std_mean", lambda K, x: (*K.std_mean(x, 1), *K.var_mean(x, 0, correction=0)), [(3, 4)],
         lambda x: (x.std(1, ddof=1), x.mean(1), x.var(0), x.mean(0))),
    Case("count_nonzero", lambda K, x: (K.count_nonzero(x), K.count_nonzero(x, 0)),
         [integers(0, 2, 3, 4)], lambda x: (np.count_nonzero(x), np.count_nonzero(x, 0)), order=0),
    Case("nansum nanmean", lambda K, x: (K.nansum(x, 1), K.nanmean(x, 1)),
         [fixed([[1.0, NAN, 2.0], [4.0, 5.0, 6.0]])],
         lambda x: (np.nansum(x, 1), np.nanmean(x, 1)), smooth=False, order=1),
    Case("cov", lambda K, x: (K.cov(x), K.corrcoef(x), K.cov(x[0], correction=0)), [(3, 5)],
         lambda x: (np.cov(x), np.corrcoef(x), np.cov(x[0], ddof=0))),
    *[Case(f"diff {n}", lambda K, x, n=n: K.diff(x, n, 1), [(3, 4)],
           lambda x, n=n: np.diff(x, n, 1)) for n in (0, 1, 2)],
    Case("diff joined", lambda K, x, a: K.diff(x, prepend=a), [(3,), (2,)],
         lambda x, a: np.diff(x, prepend=a)),
    *[Case(f"cumprod {d}", lambda K, x, d=d: K.cumprod(x, d), [(2, 3, 5)],
           lambda x, d=d: np.cumprod(x, d), large=[(20, 30, 50)]) for d in (0, -1)],
    Case("cumprod zeros", lambda K, x: K.cumprod(x, 0), [fixed([2.0, 0.0, 3.0, 0.0, 5.0])],
         np.cumprod),
    *[Case(f"{name} {d}", lambda K, x, n=name, d=d: getattr(K, n)(x, d)[0], [apart(3, 7)],
           lambda x, f=function, d=d: f.accumulate(x, d))
      for name, function in (("cummax", np.maximum), ("cummin", np.minimum)) for d in (0, 1)],
    Case("cummax equal", lambda K, x: tuple(K.cummax(x, 0)), [fixed([1, 3, 3, 2, NAN, 9])],
         lambda x: (np.maximum.accumulate(x), np.array([0, 1, 2, 2, 4, 4])), order=0),
    Case("msort", lambda K, x: K.msort(x), [apart(4, 3)], lambda x: np.sort(x, 0)),
    Case("kthvalue", lambda K, x: tuple(K.kthvalue(x, 2, 1)), [apart(3, 5)],
         lambda x: (np.sort(x, 1)[:, 1], np.argsort(x, 1)[:, 1])),
    Case("median", lambda K, x: (K.median(x), *K.median(x, 1), K.nanmedian(x)), [apart(3, 4)],
         lambda x: (np.sort(x.ravel())[5], np.sort(x, 1)[:, 1], np.argsort(x, 1)[:, 1],
                    np.sort(x.ravel())[5])),
    Case("median NaN", lambda K, x: (K.median(x, 1)[0], K.nanmedian(x, 1)[0]),
         [fixed([[3.0, NAN, 1.0], [1.0, 2.0, 3.0]])],
         lambda x: (np.array([NAN, 2.0]), np.array([1.0, 2.0])), order=0),
    *[Case(f"quantile {how}", lambda K, x, q, h=how: K.quantile(x, q, 1, interpolation=h),
           [apart(3, 6), fixed([0.0, 0.33, 0.5, 1.0])],
           lambda x, q, h=how: np.quantile(x, q, axis=1, method=h), order=1, smooth=False)
      for how in ("linear", "lower", "higher", "nearest", "midpoint")],
    Case("quantile number", lambda K, x: (K.quantile(x, 0.25), K.quantile(x, 0.25, 0, True)),
         [apart(3, 5)], lambda x: (np.quantile(x, 0.25), np.quantile(x, 0.25, 0, keepdims=True))),
    Case("quantile NaN", lambda K, x: (K.quantile(x, 0.5, 1), K.nanquantile(x, 0.5, 1)),
         [fixed([[1.0, NAN, 4.0, 2.0], [1.0, 2.0, 3.0, 4.0]])],
         lambda x: (np.quantile(x, 0.5, 1), np.nanquantile(x, 0.5, 1)), order=0),
]  # fmt: skip

# ---- positions -----------------------------------------------------------------------------------


def added(x: Any, i: Any, s: Any, axis: int) -> Any:
    out = np.moveaxis(x.copy(), axis, 0)
    np.add.at(out, i, np.moveaxis(s, axis, 0))
    return np.moveaxis(out, 0, axis)


def with_slices(x: Any, i: Any, s: Any) -> Any:
    out = x.copy()
    out[:, i] = s
    return out


FURTHER += [
    *[Case(f"index_add {d}", lambda K, x, i, s, d=d: K.index_add(x, d, i, s), [(3, 3, 2),
           integers(0, 3, 3), (3, 3, 2)],
           lambda x, i, s, d=d: added(x, i, s, d)) for d in (0, 1)],
    Case("index_copy", lambda K, x, i, s: K.index_copy(x, 1, i, s), [(3, 4), fixed([2, 0]), (3, 2)],
         with_slices),
    Case("index_fill", lambda K, x, i: K.index_fill(x, 1, i, 0.5), [(3, 4), fixed([2, 0])],
         lambda x, i: with_slices(x, i, 0.5)),
    Case("index_put", lambda K, x, i, s: (K.index_put(x, (i,), s), x.index_put((i,), s, True)),
         [(4,), fixed([2, 0]), (2,)],
         lambda x, i, s: (with_slices(x[None], i, s)[0], added(x, i, s, 0))),
    Case("take", op("take"), [(3, 4), integers(0, 12, 2, 5)], lambda x, i: x.reshape(-1)[i]),
]  # fmt: skip
