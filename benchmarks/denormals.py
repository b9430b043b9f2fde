"""Time on denormal data over the time on ordinary data, for kernels of each kind.

python benchmarks/denormals.py
PYAUTOGRAD_FLUSH_DENORMALS=0 python benchmarks/denormals.py     # as the processor does it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from turns import one_round

import pyautograd as ag
from pyautograd import _C

Make = Callable[..., Any]  # an array of that shape


def rows(make: Make, ordinary: Make) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Kernels of an operand that may be denormal, and of one that is not."""
    a, b = make(256, 256), ordinary(256, 256)
    yield "matmul", lambda: _C.matmul(a, b)
    x, w, depthwise = make(4, 32, 28, 28), ordinary(32, 32, 3, 3), ordinary(32, 1, 5, 5)
    one = (1, 1)
    yield "conv2d 3x3", lambda: _C.conv2d(x, w, None, one, one, one, 1)
    yield "conv2d 5x5 depthwise", lambda: _C.conv2d(x, depthwise, None, one, (2, 2), one, 32)
    image = ag.from_numpy(x)
    yield "avg_pool2d", lambda: ag.nn.functional.avg_pool2d(image, 3, 1)
    yield "softmax", lambda: _C.softmax(a, 1)
    yield "sum", lambda: _C.reduce_sum(a, (1,), False, 1.0)
    flat, other = a.reshape(-1)[:9000], b.reshape(-1)[:9000]
    for name in ("add", "mul", "div", "sqrt", "exp", "log", "tanh", "sigmoid"):
        kernel = _C.elementwise[name]
        if name in ("add", "mul", "div"):
            yield name, lambda kernel=kernel: kernel(flat, other)
        else:
            yield name, lambda kernel=kernel: kernel(flat)


def main() -> None:
    ag.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(f"{ag.show_config()}\n\n{'kernel':22} {'dtype':8} {'us':>9} {'denormal':>9} {'ratio':>6}")
    for dtype, tiny in ((np.float32, 1e-40), (np.float64, 1e-310)):

        def ordinary(*shape: int, dtype: Any = dtype) -> Any:
            return rng.uniform(0.5, 1.5, shape).astype(dtype)

        def denormal(*shape: int, dtype: Any = dtype, tiny: float = tiny) -> Any:
            return (rng.uniform(0.5, 1.5, shape) * tiny).astype(dtype)

        pairs = zip(rows(ordinary, ordinary), rows(denormal, ordinary), strict=True)
        for (name, usual), (_, slow) in pairs:
            times = [one_round(work) * 1e6 for work in (usual, slow)]
            print(
                f"{name:22} {np.dtype(dtype).name:8} {times[0]:9.1f} {times[1]:9.1f} "
                f"{times[1] / times[0]:6.2f}"
            )


if __name__ == "__main__":
    main()
