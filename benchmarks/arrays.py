"""The usual vectorised NumPy implementations: strided views of all windows, and matmul.

Each is a factory: name(*arguments) gives (forward, backward), where backward (or None) takes the
output's gradient, what forward gave, and the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

Pair = tuple[Callable[..., Any], Callable[..., Any] | None]


def matmul() -> Pair:
    return np.matmul, lambda g, y, a, b: (g @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ g)


def conv(stride: int, padding: int, groups: int) -> Pair:
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))

    def columns(x: Any, w: Any, hw: Any) -> Any:
        N, (_, c, kh, kw) = len(x), w.shape
        padded = np.pad(x, border)
        s = padded.strides
        view = as_strided(
            padded,
            (N, groups, c, kh, kw, *hw),
            (s[0], s[1] * c, s[1], s[2], s[3], s[2] * stride, s[3] * stride),
        )
        return view.reshape(N, groups, c * kh * kw, -1)

    def size(n: int, k: int) -> int:
        return (n + 2 * padding - k) // stride + 1

    def forward(x: Any, w: Any) -> Any:
        hw = [size(n, k) for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
        weights = w.reshape(groups, len(w) // groups, -1)
        return (weights @ columns(x, w, hw)).reshape(len(x), len(w), *hw)

    def backward(g: Any, y: Any, x: Any, w: Any) -> Any:
        (N, C, H, W), (O, _, kh, kw), (OH, OW) = x.shape, w.shape, g.shape[2:]
        dy = g.reshape(N, groups, O // groups, OH * OW)
        dw = (dy @ columns(x, w, (OH, OW)).swapaxes(2, 3)).sum(axis=0).reshape(w.shape)
        weights = w.reshape(groups, O // groups, -1)
        dcols = (weights.swapaxes(1, 2) @ dy).reshape(N, C, kh, kw, OH, OW)
        dx = np.zeros((N, C, H + 2 * padding, W + 2 * padding), x.dtype)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i, i + stride * OH, stride)
                dx[:, :, rows, j : j + stride * OW : stride] += dcols[:, :, i, j]
        return dx[:, :, padding : padding + H, padding : padding + W], dw

    return forward, backward


def max_pool(kernel: int, stride: int, padding: int) -> Pair:
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))

    def forward(x: Any) -> Any:
        padded = np.pad(x, border, constant_values=-np.inf) if padding else x
        N, C, H, W = padded.shape
        s = padded.strides
        out = [(n - kernel) // stride + 1 for n in (H, W)]
        view = as_strided(
            padded,
            (N, C, *out, kernel, kernel),
            (s[0], s[1], s[2] * stride, s[3] * stride, s[2], s[3]),
        )
        return view.max(axis=(4, 5))

    return forward, None


def average_pool(kernel: int) -> Pair:
    def forward(x: Any) -> Any:
        N, C, H, W = x.shape
        return x.reshape(N, C, H // kernel, kernel, W // kernel, kernel).mean(axis=(3, 5))

    def backward(g: Any, y: Any, x: Any) -> Any:
        return np.repeat(np.repeat(g / kernel**2, kernel, axis=2), kernel, axis=3)

    return forward, backward


def relu() -> Pair:
    return lambda x: np.maximum(x, 0), lambda g, y, x: g * (y > 0)


def exp() -> Pair:
    return np.exp, lambda g, y, x: g * y


def tanh() -> Pair:
    return np.tanh, lambda g, y, x: g * (1 - y * y)


def sigmoid() -> Pair:
    return lambda x: 1 / (1 + np.exp(-x)), lambda g, y, x: g * y * (1 - y)


def chain() -> Pair:
    def backward(g: Any, out: Any, x: Any, y: Any) -> Any:
        t = np.tanh(x * y + y)
        inner = g * y * (1 - t * t)
        return inner * y, g * t + inner * (x + 1)

    return lambda x, y: np.tanh(x * y + y) * y, backward


def add() -> Pair:
    return np.add, lambda g, z, x, y: (g, g if y.shape == g.shape else g.sum(axis=0))


def mul() -> Pair:
    return np.multiply, None


def greater() -> Pair:
    return np.greater, None


def where() -> Pair:
    return lambda c, x, y: np.where(c > 0, x, y), None


def sum(axis: Any) -> Pair:
    return lambda x: x.sum(axis=axis), None


def mean(axis: Any) -> Pair:
    return lambda x: x.mean(axis=axis), None


def max(axis: Any) -> Pair:
    return lambda x: x.max(axis=axis), None


def argmax(axis: Any) -> Pair:
    return lambda x: x.argmax(axis=axis), None


def var(axis: Any) -> Pair:
    return lambda x: x.var(axis=axis, ddof=1), None


def transposed_copy(order: tuple[int, ...]) -> Pair:
    return lambda x: np.ascontiguousarray(x.transpose(order)), None


def concatenate(axis: int) -> Pair:
    return lambda x, y: np.concatenate([x, y], axis), None


def gather(axis: int) -> Pair:
    return lambda x, i: np.take_along_axis(x, i, axis), None


def take(axis: int) -> Pair:
    return lambda x, i: np.take(x, i, axis), None
