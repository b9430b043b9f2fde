"""What ops compute, written in plain NumPy and for reading alone: loops where they are clearer.

Nothing here imports pyautograd. Arrays are float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Array = Any
Pair = Any


def pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


# ---- softmax and losses --------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def selu(x: Array) -> Array:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))


def gelu_tanh(x: Array) -> Array:
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def softmax(x: Array, dim: int) -> Array:
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def log_softmax(x: Array, dim: int) -> Array:
    return np.log(softmax(x, dim))


def reduced(loss: Array, reduction: str) -> Array:
    return {"none": lambda x: x, "sum": np.sum, "mean": np.mean}[reduction](loss)


def nll_loss(
    log_p: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Sample by sample; log_p (N, C, ...)."""
    classes = log_p.shape[1]
    weight = np.ones(classes) if weight is None else weight
    loss, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(target.shape):
        c = target[place]
        if c == ignore_index:
            continue
        row = log_p[(place[0], slice(None), *place[1:])]  # (C,)
        smooth = -(weight * row).sum() / classes
        loss[place] = (1 - label_smoothing) * -weight[c] * row[c] + label_smoothing * smooth
        total += weight[c]
    return loss.sum() / total if reduction == "mean" else reduced(loss, reduction)


def cross_entropy(x: Array, target: Array, **options: Any) -> Array:
    return nll_loss(log_softmax(x, 1), target, **options)


def soft_cross_entropy(
    x: Array, p: Array, weight: Array | None = None, smoothing: float = 0.0, reduction: str = "mean"
) -> Array:
    """Against probabilities p, in the shape of x (N, C, ...)."""
    p = p * (1 - smoothing) + smoothing / x.shape[1]
    terms = p * log_softmax(x, 1)
    if weight is not None:
        terms = terms * weight.reshape(1, -1, *(1,) * (x.ndim - 2))
    loss = -terms.sum(axis=1)
    return loss.sum() / loss.size if reduction == "mean" else reduced(loss, reduction)


def bce_with_logits(
    x: Array, t: Array, weight: Any = 1.0, reduction: str = "mean", pos_weight: Any = 1.0
) -> Array:
    loss = -(pos_weight * t * np.log(sigmoid(x)) + (1 - t) * np.log(1 - sigmoid(x)))
    return reduced(weight * loss, reduction)


# ---- windows -------------------------------------------------------------------------------------


def windows(
    size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False
) -> list[list[int]]:
    """The places of each window's taps in one dimension; those in the padding are outside it."""
    span, end = dilation * (kernel - 1) + 1, size + padding
    starts = list(range(-padding, end - span + 1, stride))
    following = starts[-1] + stride if starts else -padding
    if ceil and following + span < end + stride and following < size:
        starts.append(following)  # overhangs, but starts inside
    return [[start + dilation * k for k in range(kernel)] for start in starts]


def each_window(x: Array, rows: Any, columns: Any) -> Iterator[tuple[int, int, Array, list[Any]]]:
    """Output place, the values under the window (N, C, taps inside) and where they lie."""
    h, w = x.shape[2:]
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        places = [(a, b) for a in row for b in column if 0 <= a < h and 0 <= b < w]
        yield i, j, np.stack([x[:, :, a, b] for a, b in places], -1), places


def unfold(
    x: Array, kernel: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Array:
    geometry = zip(x.shape[2:], *map(pair, (kernel, stride, padding, dilation)), strict=True)
    rows, columns = [windows(*g) for g in geometry]
    (n, c, h, w), (kh, kw) = x.shape, pair(kernel)
    out = np.zeros((n, c, kh, kw, len(rows), len(columns)))
    for r, s, i, j in np.ndindex(out.shape[2:]):
        a, b = rows[i][r], columns[j][s]
        if 0 <= a < h and 0 <= b < w:
            out[:, :, r, s, i, j] = x[:, :, a, b]
    return out.reshape(n, c * kh * kw, len(rows) * len(columns))


def fold(
    columns: Array, size: Pair, kernel: Pair, dilation: Pair = 1, padding: Pair = 0,
    stride: Pair = 1,
) -> Array:  # fmt: skip
    (h, w), (kh, kw) = pair(size), pair(kernel)
    geometry = zip((h, w), *map(pair, (kernel, stride, padding, dilation)), strict=True)
    rows, places = [windows(*g) for g in geometry]
    n, c = len(columns), columns.shape[1] // (kh * kw)
    values = columns.reshape(n, c, kh, kw, len(rows), len(places))
    out = np.zeros((n, c, h, w))
    for r, s, i, j in np.ndindex(values.shape[2:]):
        a, b = rows[i][r], places[j][s]
        if 0 <= a < h and 0 <= b < w:
            out[:, :, a, b] += values[:, :, r, s, i, j]
    return out


def conv2d(
    x: Array, w: Array, b: Array | None = None, stride: Pair = 1, padding: Pair = 0,
    dilation: Pair = 1, groups: int = 1,
) -> Array:  # fmt: skip
    geometry = zip(x.shape[2:], w.shape[2:], *map(pair, (stride, padding, dilation)), strict=True)
    hw = [len(windows(*g)) for g in geometry]
    out = []
    for xs, ws in zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True):
        columns = unfold(xs, w.shape[2:], dilation, padding, stride)
        out.append(np.einsum("ok,nkl->nol", ws.reshape(len(ws), -1), columns))
    y = np.concatenate(out, 1).reshape(len(x), len(w), *hw)
    return y if b is None else y + b.reshape(-1, 1, 1)


def several(value: Any, dims: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims


def tap_slices(tap: Any, count: Any, stride: Any, dilation: Any) -> tuple[Any, ...]:
    """Where each window of a padded array finds one of its taps."""
    return (..., *(slice(t * d, t * d + (n - 1) * s + 1, s)
                   for t, n, s, d in zip(tap, count, stride, dilation, strict=True)))  # fmt: skip


def conv_nd(
    x: Array, w: Array, b: Array | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """In any number of dimensions, tap by tap."""
    dims = w.ndim - 2
    stride, padding, dilation = (several(v, dims) for v in (stride, padding, dilation))
    count = [
        len(windows(*g))
        for g in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    ]
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    out = []
    for xs, ws in zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True):
        y = np.zeros((len(x), len(ws), *count))
        for tap in np.ndindex(w.shape[2:]):
            seen = xs[tap_slices(tap, count, stride, dilation)]
            y += np.einsum("oc,nc...->no...", ws[(slice(None), slice(None), *tap)], seen)
        out.append(y)
    y = np.concatenate(out, 1)
    return y if b is None else y + b.reshape(-1, *(1,) * dims)


def conv_transpose_nd(
    x: Array, w: Array, b: Array | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Array:  # fmt: skip
    dims = w.ndim - 2
    stride, padding, extra, dilation = (
        several(v, dims) for v in (stride, padding, output_padding, dilation)
    )
    count = x.shape[2:]
    full = [
        (n - 1) * s + d * (k - 1) + 1 + e
        for n, k, s, d, e in zip(count, w.shape[2:], stride, dilation, extra, strict=True)
    ]
    out = []
    for xs, ws in zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True):
        y = np.zeros((len(x), w.shape[1], *full))
        for tap in np.ndindex(w.shape[2:]):
            part = np.einsum("co,nc...->no...", ws[(slice(None), slice(None), *tap)], xs)
            y[tap_slices(tap, count, stride, dilation)] += part
        out.append(y)
    cut = tuple(slice(p, n - p) for n, p in zip(full, padding, strict=True))
    y = np.concatenate(out, 1)[(..., *cut)]
    return y if b is None else y + b.reshape(-1, *(1,) * dims)


def max_pool2d(
    x: Array, kernel: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1,
    ceil: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
    """Values, and places in the plane."""
    stride = kernel if stride is None else stride
    geometry = zip(x.shape[2:], *map(pair, (kernel, stride, padding, dilation)), strict=True)
    rows, columns = [windows(*g, ceil) for g in geometry]
    out = np.empty((*x.shape[:2], len(rows), len(columns)))
    where = np.empty(out.shape, np.int64)
    for i, j, values, places in each_window(x, rows, columns):
        best = values.argmax(-1)  # NumPy's argmax takes the first NaN
        out[:, :, i, j] = np.take_along_axis(values, best[..., None], -1)[..., 0]
        where[:, :, i, j] = np.array([a * x.shape[3] + b for a, b in places])[best]
    return out, where


def avg_pool2d(
    x: Array, kernel: Pair, stride: Pair | None = None, padding: Pair = 0, ceil: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Array:  # fmt: skip
    stride, kernel, padding = (
        pair(kernel if stride is None else stride),
        pair(kernel),
        pair(padding),
    )
    geometry = zip(x.shape[2:], kernel, stride, padding, strict=True)
    rows, columns = [windows(*g, 1, ceil) for g in geometry]
    out = np.empty((*x.shape[:2], len(rows), len(columns)))
    for i, j, values, places in each_window(x, rows, columns):
        padded = [
            sum(-p <= a < n + p for a in taps)
            for taps, n, p in zip((rows[i], columns[j]), x.shape[2:], padding, strict=True)
        ]
        count = padded[0] * padded[1] if count_include_pad else len(places)
        out[:, :, i, j] = values.sum(-1) / (divisor or count)
    return out


def adaptive_avg_pool2d(x: Array, size: Sequence[int | None]) -> Array:
    counts = [n if n is not None else x.shape[2 + i] for i, n in enumerate(size)]
    out = np.empty((*x.shape[:2], *counts))
    for i, j in np.ndindex(*counts):
        part = x
        for d, (k, n) in enumerate(zip((i, j), counts, strict=True), start=2):
            begin, end = (k * x.shape[d]) // n, int(np.ceil((k + 1) * x.shape[d] / n))
            part = part.take(range(begin, end), axis=d)
        out[:, :, i, j] = part.mean((2, 3))
    return out


# ---- normalisation, and others -------------------------------------------------------------------


def batch_norm(
    x: Array, mean: Any = None, var: Any = None, weight: Any = None, bias: Any = None,
    eps: float = 1e-5,
) -> Array:  # fmt: skip
    """With the batch's statistics where none are given."""
    dims = (0, *range(2, x.ndim))
    beside = lambda v: v.reshape(1, -1, *(1,) * (x.ndim - 2))  # noqa: E731
    mean = x.mean(dims) if mean is None else mean
    var = x.var(dims) if var is None else var
    y = (x - beside(mean)) / np.sqrt(beside(var) + eps)
    y = y if weight is None else y * beside(weight)
    return y if bias is None else y + beside(bias)


def layer_norm(
    x: Array, dims: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Array:
    """Over the last `dims` dimensions."""
    over = tuple(range(-dims, 0))
    y = (x - x.mean(over, keepdims=True)) / np.sqrt(x.var(over, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(x: Array, groups: int, weight: Any = None, bias: Any = None) -> Array:
    grouped = x.reshape(len(x), groups, x.size // (len(x) * groups or 1))
    y = layer_norm(grouped, 1).reshape(x.shape)
    beside = lambda v: v.reshape(1, -1, *(1,) * (x.ndim - 2))  # noqa: E731
    y = y if weight is None else y * beside(weight)
    return y if bias is None else y + beside(bias)


def rms_norm(x: Array, dims: int, eps: float, weight: Any = None) -> Array:
    over = tuple(range(-dims, 0))
    y = x / np.sqrt((x * x).mean(over, keepdims=True) + eps)
    return y if weight is None else y * weight


def along(function: Callable[..., Array], x: Array, dim: int, keepdim: bool = False) -> Any:
    """(values, indices) of the extreme along a dimension; `function` is np.argmax or np.argmin."""
    where = np.expand_dims(function(x, axis=dim), dim)
    values = np.take_along_axis(x, where, dim)
    return (values, where) if keepdim else (values.squeeze(dim), where.squeeze(dim))
