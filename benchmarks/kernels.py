"""Matrix products and convolutions of pyautograd beside NumPy's and PyTorch's.

    python benchmarks/kernels.py --threads 2 --only conv
    PYAUTOGRAD_ISA=avx2 python benchmarks/kernels.py

A ratio above 1 says how many times faster pyautograd is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import turns

MATMULS = [  # m, k, n, layout: the second operand ("nt") or the first ("tn") is a transposed view
    *[(n, n, n, layout) for n in (128, 256, 512, 1024) for layout in ("nn", "nt", "tn")],
    (64, 784, 256, "nn"), (64, 784, 256, "nt"), (4096, 64, 64, "nn"), (64, 64, 4096, "nn"),
    (1, 1024, 1024, "nn"), (1, 1024, 1024, "nt"), (1024, 1024, 1, "nn"), (4, 4, 4, "nn"),
    (32, 16, 16, "nn"),
]  # fmt: skip
CONVS = [  # N, C, H, O, kernel, stride, padding, groups
    (32, 16, 32, 16, 3, 1, 1, 1), (32, 32, 16, 32, 3, 1, 1, 1), (32, 64, 8, 64, 3, 1, 1, 1),
    (32, 3, 32, 16, 3, 1, 1, 1), (32, 16, 32, 32, 3, 2, 1, 1), (32, 16, 32, 32, 1, 2, 0, 1),
    (64, 1, 28, 6, 5, 1, 0, 1), (64, 6, 12, 16, 5, 1, 0, 1),
    (4, 64, 56, 64, 3, 1, 1, 1), (4, 256, 14, 256, 3, 1, 1, 1), (4, 512, 7, 512, 3, 1, 1, 1),
    (4, 64, 56, 256, 1, 1, 0, 1), (4, 3, 224, 64, 7, 2, 3, 1), (1, 64, 56, 64, 3, 1, 1, 1),
    (4, 240, 28, 240, 5, 1, 2, 240), (4, 240, 28, 240, 3, 1, 1, 240), (4, 96, 112, 96, 3, 2, 1, 96),
    (4, 128, 28, 128, 3, 1, 1, 8), (4, 64, 56, 128, 3, 2, 1, 1), (1, 512, 7, 512, 3, 1, 1, 1),
]  # fmt: skip


class Ours:
    """The kernels as the ops call them."""

    def __init__(self) -> None:
        from pyautograd import _C

        self.kernels = _C

    def matmul(self, a: Any, b: Any) -> turns.Work:
        return lambda: self.kernels.matmul(a, b)

    def conv(
        self, x: Any, w: Any, g: Any, stride: int, padding: int, groups: int, backward: bool
    ) -> turns.Work:
        K, hw, khw = self.kernels, x.shape[2:], w.shape[2:]
        rest = (stride, stride), (padding, padding), (1, 1), groups

        def run() -> Any:
            K.conv2d(x, w, None, *rest)
            if backward:
                K.conv2d_input_grad(g, w, hw, *rest)
                K.conv2d_weight_grad(g, x, khw, *rest)

        return run


class NumPy:
    """The usual vectorised implementation: a strided view of all patches, and matmul."""

    def matmul(self, a: Any, b: Any) -> turns.Work:
        return lambda: a @ b

    def conv(
        self, x: Any, w: Any, g: Any, stride: int, padding: int, groups: int, backward: bool
    ) -> turns.Work:
        N, C, _, _ = x.shape
        O, c, kh, kw = w.shape
        OH, OW = g.shape[2:]
        o = O // groups

        def run() -> Any:
            padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
            s = padded.strides
            view = np.lib.stride_tricks.as_strided(
                padded,
                (N, groups, c, kh, kw, OH, OW),
                (s[0], s[1] * c, s[1], s[2], s[3], s[2] * stride, s[3] * stride),
            )
            cols = view.reshape(N, groups, c * kh * kw, OH * OW)
            weights = w.reshape(groups, o, c * kh * kw)
            y = (weights @ cols).reshape(N, O, OH, OW)
            if not backward:
                return y
            dy = g.reshape(N, groups, o, OH * OW)
            dw = (dy @ cols.swapaxes(2, 3)).sum(axis=0).reshape(w.shape)
            dcols = (weights.swapaxes(1, 2) @ dy).reshape(N, C, kh, kw, OH, OW)
            dx = np.zeros_like(padded)
            for i in range(kh):
                for j in range(kw):
                    rows = slice(i, i + stride * OH, stride)
                    dx[:, :, rows, j : j + stride * OW : stride] += dcols[:, :, i, j]
            return y, dw, dx[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]

        return run


class Torch:
    """PyTorch, its gradients through autograd."""

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def matmul(self, a: Any, b: Any) -> turns.Work:
        a, b = self.torch.from_numpy(a), self.torch.from_numpy(b)
        return lambda: a @ b

    def conv(
        self, x: Any, w: Any, g: Any, stride: int, padding: int, groups: int, backward: bool
    ) -> turns.Work:
        x, w, g = (self.torch.from_numpy(a) for a in (x, w, g))
        x.requires_grad_(backward)
        w.requires_grad_(backward)

        def run() -> Any:
            y = self.torch.nn.functional.conv2d(x, w, None, stride, padding, 1, groups)
            if backward:
                self.torch.autograd.grad(y, (x, w), g)

        return run


SIDES = {"pyautograd": Ours, "numpy": NumPy, "torch": Torch}


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def operations() -> dict[str, float]:
    """Multiplications and additions by row."""
    count = {f"matmul {m}x{k}x{n} {layout}": 2.0 * m * k * n for m, k, n, layout in MATMULS}
    for N, C, H, O, kernel, stride, padding, groups in CONVS:
        pixels = N * output_size(H, kernel, stride, padding) ** 2
        forward = 2.0 * pixels * O * C // groups * kernel**2
        name = f"{N},{C},{H},{O} k{kernel} s{stride} p{padding} g{groups}"
        count[f"conv {name}"] = forward
        count[f"conv+grad {name}"] = 3 * forward
    return count


def rows_of(name: str) -> Mapping[str, turns.Row]:
    side: Any = SIDES[name]()
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    def matmul(m: int, k: int, n: int, layout: str) -> turns.Work:
        a, b = normal(m, k), normal(k, n)
        if layout == "tn":
            a = np.asfortranarray(a)
        if layout == "nt":
            b = np.asfortranarray(b)
        return side.matmul(a, b)  # type: ignore[no-any-return]

    def conv(row: tuple[int, ...], backward: bool) -> turns.Work:
        N, C, H, O, kernel, stride, padding, groups = row
        out = output_size(H, kernel, stride, padding)
        x, w, g = normal(N, C, H, H), normal(O, C // groups, kernel, kernel), normal(N, O, out, out)
        return side.conv(x, w, g, stride, padding, groups, backward)  # type: ignore[no-any-return]

    setups: list[turns.Row] = [lambda row=row: matmul(*row) for row in MATMULS]
    for row in CONVS:
        setups += [lambda row=row, b=backward: conv(row, b) for backward in (False, True)]
    return dict(zip(operations(), setups, strict=True))


def report(best: dict[str, dict[str, float]], threads: int) -> str:
    count = operations()
    lines = []
    for row, seconds in best.items():
        ours = seconds["pyautograd"]
        line = [row, f"{ours * 1e6:.1f}", f"{count[row] / ours / 1e9:.1f}"]
        for side in list(seconds)[1:]:
            line += [f"{seconds[side] * 1e6:.1f}", f"{seconds[side] / ours:.2f}x"]
        lines.append(line)
    peers = list(next(iter(best.values())))[1:]
    head = ["float32", "us", "GFLOP/s"]
    for side in peers:
        head += [side, "ratio"]
    return f"threads: {threads}\n" + turns.table(head, lines)


if __name__ == "__main__":
    peers = ["numpy", *(["torch"] if turns.installed("torch") else [])]
    turns.main(__doc__ or "", rows_of, ["pyautograd", *peers], report)
