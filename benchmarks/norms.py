"""Normalisations, softmax and cross-entropy of pyautograd beside PyTorch's.

    python benchmarks/norms.py --threads 2 --only batch_norm
    PYAUTOGRAD_ISA=avx2 python benchmarks/norms.py

A ratio above 1 says how many times faster pyautograd is. The two numbers that bound a row: it reads
and writes its arrays once (backward: reads two, writes one), and `GB/s` counts those bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import turns

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "batch_norm": [
        (32, 64, 56, 56), (32, 16, 32, 32), (64, 256, 14, 14), (8, 512, 7, 7), (256, 128),
        (64, 1024), (16, 32, 100),
    ],
    "layer_norm": [(4096, 768), (64, 32, 64), (1000, 1000), (512, 16, 10), (8, 300, 512)],
    "group_norm": [(32, 64, 56, 56), (8, 32, 28, 28), (16, 128, 7, 7)],
    "softmax": [(4096, 768), (64, 10), (32, 8, 64, 64), (128, 1000), (8, 21, 64, 64)],
    "log_softmax": [(4096, 768), (64, 10), (128, 1000), (8, 21, 64, 64)],
    "cross_entropy": [(64, 10), (128, 1000), (512, 32000), (8, 21, 64, 64)],
}  # fmt: skip


def rows() -> list[tuple[str, str, tuple[int, ...], bool]]:
    return [
        (f"{op}{'+grad' if backward else ''} {'x'.join(map(str, shape))}", op, shape, backward)
        for op, shapes in SHAPES.items()
        for shape in shapes
        for backward in (False, True)
    ]


def data_of(op: str, shape: tuple[int, ...]) -> tuple[list[Any], Any]:
    """The tensors (those that are no floats have no gradient), and the gradient of the result."""
    rng = np.random.default_rng(0)

    def normal(*sizes: int) -> Any:
        return rng.standard_normal(sizes).astype(np.float32)

    x, g = normal(*shape), normal(*shape)
    if op.endswith("softmax"):
        return [x], g
    if op == "cross_entropy":
        return [x, rng.integers(0, shape[1], (shape[0], *shape[2:]))], np.float32(1)
    n = shape[-1] if op == "layer_norm" else shape[1]
    return [x, normal(n), normal(n)], g


def call_of(op: str, F: Any) -> Callable[..., Any]:
    if op == "batch_norm":
        return lambda x, w, b: F.batch_norm(x, None, None, w, b, True)
    if op == "layer_norm":
        return lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b)
    if op == "group_norm":
        return lambda x, w, b: F.group_norm(x, 8, w, b)
    function = getattr(F, op)
    return function if op == "cross_entropy" else lambda x: function(x, 1 if x.ndim > 3 else -1)


def rows_of(side: str) -> Mapping[str, turns.Row]:
    library: Any
    if side == "torch":
        import torch

        library, tensor = torch, torch.from_numpy
    else:
        import pyautograd as ag

        library, tensor = ag, ag.from_numpy

    def setup(op: str, shape: tuple[int, ...], backward: bool) -> turns.Work:
        arrays, gradient = data_of(op, shape)
        tensors = [tensor(a) for a in arrays]
        wanted = [t for t in tensors if t.is_floating_point()]
        for t in wanted:
            t.requires_grad_(backward)
        g = tensor(np.asarray(gradient))
        function = call_of(op, library.nn.functional)
        grad = library.autograd.grad

        def run() -> Any:
            return grad(function(*tensors), wanted, g) if backward else function(*tensors)

        return run

    return {
        name: lambda op=op, shape=shape, backward=backward: setup(op, shape, backward)
        for name, op, shape, backward in rows()
    }


def report(best: dict[str, dict[str, float]], threads: int) -> str:
    known = {name: (op, shape, backward) for name, op, shape, backward in rows()}
    lines, logs = [], []
    for row, seconds in best.items():
        op, shape, backward = known[row]
        size = 4 * math.prod(shape)
        moved = size if op == "cross_entropy" else 2 * size
        if backward:
            moved += (2 if op == "cross_entropy" else 3) * size
        ours = seconds["pyautograd"]
        line = [row, f"{ours * 1e6:.1f}", f"{moved / ours / 1e9:.1f}"]
        if "torch" in seconds:
            line += [f"{seconds['torch'] * 1e6:.1f}", f"{seconds['torch'] / ours:.2f}x"]
            logs.append(math.log(seconds["torch"] / ours))
        lines.append(line)
    head = ["float32", "us", "GB/s", *(["torch", "ratio"] if logs else [])]
    text = f"threads: {threads}\n" + turns.table(head, lines)
    return text + (f"\ngeometric mean {math.exp(sum(logs) / len(logs)):.2f}x" if logs else "")


if __name__ == "__main__":
    peers = ["torch"] if turns.installed("torch") else []
    turns.main(__doc__ or "", rows_of, ["pyautograd", *peers], report)
