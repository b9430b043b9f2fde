"""Winograd's algorithm for 3x3 convolutions: where it is used, its error, its switch."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C

# N, channels and outputs of a group, H, W, padding, groups: all of them large enough to be chosen.
CASES = [
    (32, 16, 16, 32, 32, (1, 1), 1),
    (4, 64, 64, 28, 28, (1, 1), 1),
    (32, 64, 64, 8, 8, (1, 1), 1),  # tiles of several images in one block
    (20, 128, 48, 7, 7, (1, 1), 1),  # the same, the last row and column of tiles cut
    (2, 256, 200, 14, 14, (1, 1), 1),
    (3, 48, 40, 57, 3, (1, 1), 1),  # narrow
    (1, 40, 48, 5, 101, (1, 1), 1),  # flat, batch 1
    (3, 17, 19, 33, 31, (0, 0), 1),  # channels that fill no vector, no border
    (3, 37, 21, 17, 30, (2, 2), 1),
    (2, 33, 35, 18, 18, (5, 3), 1),  # tiles outside the image
    (2, 33, 35, 18, 26, (0, 9), 1),
    (2, 24, 32, 29, 30, (1, 1), 3),
    (9, 300, 24, 13, 9, (1, 2), 2),  # channels added up in parts
    (1, 128, 80, 14, 14, (1, 1), 1),  # few tiles: each task transforms its own weights
    (5, 304, 304, 14, 14, (1, 1), 1),  # many weights: the same, over several blocks of tiles
    (1, 260, 260, 16, 16, (1, 1), 2),
]


def data(rng: np.random.Generator, case: Any) -> tuple[Any, Any, Any, Any, Any]:
    N, c, o, H, W, padding, groups = case
    x = rng.standard_normal((N, c * groups, H, W), dtype=np.float32)
    w = rng.standard_normal((o * groups, c, 3, 3), dtype=np.float32)
    bias = rng.standard_normal(o * groups, dtype=np.float32)
    size = (H + 2 * padding[0] - 2, W + 2 * padding[1] - 2)
    g = rng.standard_normal((N, o * groups, *size), dtype=np.float32)
    return x, w, bias, g, ((1, 1), padding, (1, 1), groups)


def every(x: Any, w: Any, bias: Any, g: Any, geometry: Any) -> list[Any]:
    """The convolution, the input gradient and the weight gradient."""
    return [
        _C.conv2d(x, w, bias, *geometry),
        _C.conv2d_input_grad(g, w, x.shape[2:], *geometry),
        _C.conv2d_weight_grad(g, x, w.shape[2:], *geometry),
    ]


def directly(*arguments: Any) -> list[Any]:
    ag.backends.winograd = False
    try:
        return every(*arguments)
    finally:
        ag.backends.winograd = True


def rms(a: Any) -> float:
    return float(np.sqrt(np.mean(np.square(a, dtype=np.float64))))


@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_error(case: Any, isa: str, rng: np.random.Generator) -> None:
    """At most 5 times the direct form's, against float64, and no outlier."""
    x, w, bias, g, geometry = data(rng, case)
    exact = every(*(a.astype(np.float64) for a in (x, w, bias, g)), geometry)
    before = _C.isa()
    _C.select_isa(isa)
    try:
        fast, direct = every(x, w, bias, g, geometry), directly(x, w, bias, g, geometry)
    finally:
        _C.select_isa(before)
    for f, d, e in zip(fast, direct, exact, strict=True):
        assert not np.array_equal(f, d), "the direct form ran"
        assert rms(f - e) <= 5 * rms(d - e)
        assert np.abs(f - e).max() <= 2e-5 * rms(e)


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_the_same_bits_for_any_number_of_threads(case: Any, rng: np.random.Generator) -> None:
    arguments = data(rng, case)
    before = ag.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            ag.set_num_threads(threads)
            results.append(every(*arguments))
    finally:
        ag.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_direct_where_it_is_faster(rng: np.random.Generator) -> None:
    """Few channels, tiny maps, strides, dilation, other kernels."""
    for x_shape, w_shape, stride, dilation, groups in [
        ((8, 3, 32, 32), (16, 3, 3, 3), 1, 1, 1),
        ((2, 32, 20, 20), (32, 1, 3, 3), 1, 1, 32),
        ((1, 64, 4, 4), (64, 64, 3, 3), 1, 1, 1),
        ((2, 32, 32, 32), (32, 32, 3, 3), 2, 1, 1),
        ((2, 32, 32, 32), (32, 32, 3, 3), 1, 2, 1),
        ((2, 32, 32, 32), (32, 32, 3, 5), 1, 1, 1),
    ]:
        x = rng.standard_normal(x_shape, dtype=np.float32)
        w = rng.standard_normal(w_shape, dtype=np.float32)
        geometry = ((stride, stride), (1, 1), (dilation, dilation), groups)
        g = rng.standard_normal(_C.conv2d(x, w, None, *geometry).shape, dtype=np.float32)
        fast, direct = every(x, w, None, g, geometry), directly(x, w, None, g, geometry)
        for f, d in zip(fast, direct, strict=True):
            np.testing.assert_array_equal(f, d)


def test_float64_is_always_direct(rng: np.random.Generator) -> None:
    x, w, bias, g, geometry = data(rng, CASES[1])
    arguments = (*(a.astype(np.float64) for a in (x, w, bias, g)), geometry)
    for f, d in zip(every(*arguments), directly(*arguments), strict=True):
        np.testing.assert_array_equal(f, d)


@pytest.mark.parametrize(
    ("x_shape", "o"), [((0, 32, 16, 16), 32), ((2, 32, 16, 16), 0), ((2, 0, 16, 16), 32)]
)
def test_empty(x_shape: Any, o: int) -> None:
    x, w = np.ones(x_shape, np.float32), np.ones((o, x_shape[1], 3, 3), np.float32)
    g = np.ones((x_shape[0], o, 16, 16), np.float32)
    results = every(x, w, None, g, ((1, 1), (1, 1), (1, 1), 1))
    for result, like in zip(results, (g, x, w), strict=True):
        assert result.shape == like.shape
        assert not result.any()


def test_gradients_of_second_order(rng: np.random.Generator) -> None:
    results = []
    for dtype in (np.float32, np.float64):
        x, w, _, v, _ = data(np.random.default_rng(5), (2, 32, 24, 19, 18, (1, 1), 1))
        x, w, v = (ag.tensor(a.astype(dtype), requires_grad=True) for a in (x, w, v))
        y = ag.nn.functional.conv2d(x, w, padding=1)
        dx, dw = ag.autograd.grad((y * v).sum(), (x, w), create_graph=True)
        grads = ag.autograd.grad((dx * dx).sum() + (dw * dw).sum(), (x, w, v))
        results.append([t.numpy() for t in (y.detach(), dx.detach(), *grads)])
    for single, double in zip(*results, strict=True):
        assert rms(single - double) <= 1e-5 * rms(double)


def test_an_infinity_stays_in_its_tiles(rng: np.random.Generator) -> None:
    x, w, _, _, geometry = data(rng, (2, 32, 32, 24, 24, (1, 1), 1))
    clean = _C.conv2d(x, w, None, *geometry)
    x[1, 5, 9, 10] = np.inf
    y = _C.conv2d(x, w, None, *geometry)
    assert not np.isfinite(y[1, :, 8:11, 9:12]).any()
    y[1, :, 8:12, 8:12] = clean[1, :, 8:12, 8:12]
    np.testing.assert_array_equal(y, clean)


def test_the_switch() -> None:
    assert ag.backends.winograd is True
    ag.backends.winograd = False
    assert ag.backends.winograd is False
    ag.backends.winograd = True
    for bad in (1, 0, None, "no", np.True_):
        with pytest.raises(TypeError, match=r"backends\.winograd: expected True or False"):
            ag.backends.winograd = bad
    assert ag.backends.winograd is True


@pytest.mark.parametrize(("value", "expected"), [("0", "False"), ("1", "True"), ("x", None)])
def test_the_environment(value: str, expected: str | None) -> None:
    out = subprocess.run(
        [sys.executable, "-c", "import pyautograd as ag; print(ag.backends.winograd)"],
        env={**os.environ, "PYAUTOGRAD_WINOGRAD": value}, capture_output=True, text=True,
    )  # fmt: skip
    if expected is None:
        assert "PYAUTOGRAD_WINOGRAD=x: expected 0 or 1" in out.stderr
    else:
        assert out.stdout.strip() == expected
