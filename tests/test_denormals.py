"""Denormal numbers (trap 6): where they count as 0, and that nobody else's arithmetic changes."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C

FLUSHABLE = platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64")
TINY = {np.float32: 1e-40, np.float64: 1e-310}
HUGE = {np.float32: 1e30, np.float64: 1e300}

# What counts denormals as 0: x holds some, w is large enough to make the results normal.
SUMS_OF_PRODUCTS: dict[str, Callable[[ag.Tensor, ag.Tensor], ag.Tensor]] = {
    "matmul": lambda x, w: x.reshape(64, 64) @ w.reshape(64, 64),
    "thin matmul": lambda x, w: x.reshape(1, 4096) @ w.reshape(4096, 1),
    "linear": lambda x, w: ag.nn.functional.linear(x.reshape(64, 64), w.reshape(64, 64)),
    "conv2d": lambda x, w: ag.nn.functional.conv2d(
        x.reshape(1, 4, 32, 32), w[:144].reshape(4, 4, 3, 3), padding=1
    ),
    "depthwise": lambda x, w: ag.nn.functional.conv2d(
        x.reshape(1, 4, 32, 32), w[:36].reshape(4, 1, 3, 3), groups=4
    ),
}


@contextmanager
def flushing(wanted: bool) -> Iterator[None]:
    before = ag.backends.flush_denormals
    ag.backends.flush_denormals = wanted
    try:
        yield
    finally:
        ag.backends.flush_denormals = before


def operands(dtype: type) -> tuple[ag.Tensor, ag.Tensor]:
    rng = np.random.default_rng(0)
    x = ((rng.random(4096) + 0.5) * TINY[dtype]).astype(dtype)
    assert (x != 0).all()
    return ag.tensor(x), ag.full((4096,), HUGE[dtype], dtype=dtype)


@pytest.mark.skipif(not FLUSHABLE, reason="this processor has no switch for denormals")
@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("name", SUMS_OF_PRODUCTS)
def test_products_take_them_for_zero_unless_told_otherwise(
    name: str, isa: str, dtype: type
) -> None:
    before = _C.isa()
    _C.select_isa(isa)
    try:
        x, w = operands(dtype)
        assert ag.backends.flush_denormals
        assert (SUMS_OF_PRODUCTS[name](x, w).numpy() == 0).all()
        with flushing(False):
            assert (SUMS_OF_PRODUCTS[name](x, w).numpy() > HUGE[dtype] * TINY[dtype] / 3).all()
    finally:
        _C.select_isa(before)


@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("n", [3, 4096, 300_000])
def test_everything_else_is_exact(n: int, dtype: type) -> None:
    a = ((np.random.default_rng(1).random(n) + 0.5) * TINY[dtype]).astype(dtype)
    x = ag.tensor(a)
    for got, expected in (
        (x + x, a + a),
        (x * 2, a * dtype(2)),
        (x / HUGE[dtype], np.zeros(n)),
        (ag.maximum(x, x * 0), a),
        (ag.relu(x), a),
        (x > 0, np.ones(n)),
        (x.max(), a.max()),
        (ag.nn.functional.max_pool2d(x.reshape(1, 1, 1, n), 1).flatten(), a),
        (x.sqrt(), np.sqrt(a)),
        (x.to(np.float64 if dtype is np.float32 else np.float32), a.astype(np.float64)),
    ):
        # abs: float64 denormals are beyond float32
        assert np.allclose(got.numpy(), expected, rtol=1e-6, atol=1e-300)
    assert np.isclose(float(x.sum()), a.sum(dtype=np.float64), rtol=1e-3)
    assert (x.log().numpy() < -90).all()
    assert np.isfinite(x.log().numpy()).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_caller_keeps_its_ways(threads: int) -> None:
    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        x, w = operands(np.float32)
        for product in SUMS_OF_PRODUCTS.values():
            product(x, w)
            assert (x.numpy() * np.float32(2) > 0).all()  # NumPy in this thread
            assert ((ag.ones(400_000) * 1e-40).numpy() > 0).all()  # our workers
        with pytest.raises(ValueError, match="matmul"):
            x.reshape(64, 64) @ w.reshape(32, 128)
        assert (x.numpy() * np.float32(2) > 0).all()
    finally:
        ag.set_num_threads(before)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() != "x86_64",
    reason="knows where glibc keeps the control word of x86-64",
)
def test_workers_compute_as_their_caller_does() -> None:
    """Another library may have switched this thread: then all chunks are computed that way."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    kept, changed = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    a = np.full(1_000_000, 1e-40, np.float32)
    x = ag.tensor(a)
    before = ag.get_num_threads()
    ag.set_num_threads(3)
    libm.fegetenv(kept)
    libm.fegetenv(changed)
    word = int.from_bytes(changed[28:32], "little") | 0x8040
    changed[28:32] = word.to_bytes(4, "little")
    try:
        for _ in range(20):
            libm.fesetenv(changed)
            flushed = _C.elementwise["mul"](x._array, 2.0)
            libm.fesetenv(kept)
            assert (flushed == 0).all()
            assert (_C.elementwise["mul"](x._array, 2.0) > 0).all()
    finally:
        libm.fesetenv(kept)
        ag.set_num_threads(before)


@pytest.mark.parametrize("flush", [True, False])
def test_bits_do_not_depend_on_threads(flush: bool) -> None:
    rng = np.random.default_rng(2)
    scale = np.float32(10) ** rng.integers(-44, 3, (4, 8, 40, 40)).astype(np.float32)
    x = ag.tensor(rng.standard_normal(scale.shape, np.float32) * scale)
    results = []
    with flushing(flush):
        for threads in (1, 2, 3, 4, 8):
            before = ag.get_num_threads()
            ag.set_num_threads(threads)
            w = ag.full((16, 8, 3, 3), 1e-3, requires_grad=True)
            y = ag.nn.functional.conv2d(x, w, padding=1)
            (ag.nn.functional.avg_pool2d(y, 2) ** 2).sum().backward()
            assert w.grad is not None
            results.append((y.detach().numpy().tobytes(), w.grad.numpy().tobytes()))
            ag.set_num_threads(before)
    assert results == results[:1] * len(results)


def test_the_environment_switches() -> None:
    code = "import pyautograd as ag; print(ag.backends.flush_denormals, ag.backends.huge_pages)"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYAUTOGRAD_FLUSH_DENORMALS": "0", "PYAUTOGRAD_HUGE_PAGES": "0"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert out.stdout.split() == ["False", "False"]
    with pytest.raises(TypeError, match=r"backends.flush_denormals: expected True or False"):
        ag.backends.flush_denormals = 1  # type: ignore[assignment]
