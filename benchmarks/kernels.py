"""Matrix products and convolutions of pyautograd beside NumPy's and PyTorch's.

    python benchmarks/kernels.py [--threads 2] [--isa avx2] [--dtype float64] [--only conv]

Each library runs in a process of its own; the processes take turns, row by row and round by round,
and the best round counts. A ratio above 1 says how many times faster pyautograd is.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

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
    (4, 240, 28, 240, 5, 1, 2, 240), (4, 128, 28, 128, 3, 1, 1, 8),
]  # fmt: skip


class Ours:
    """The kernels as the ops call them."""

    def __init__(self, threads, isa):
        from pyautograd import _C

        self.kernels = _C
        _C.set_num_threads(threads)
        if isa:
            _C.select_isa(isa)
        self.version = f"pyautograd ({_C.isa()})"

    def matmul(self, a, b):
        return lambda: self.kernels.matmul(a, b)

    def conv(self, x, w, g, stride, padding, groups, backward):
        K, hw, khw = self.kernels, x.shape[2:], w.shape[2:]
        rest = (stride, stride), (padding, padding), (1, 1), groups

        def run():
            K.conv2d(x, w, None, *rest)
            if backward:
                K.conv2d_input_grad(g, w, hw, *rest)
                K.conv2d_weight_grad(g, x, khw, *rest)

        return run


class NumPy:
    """The usual vectorised implementation: a strided view of all patches, and matmul."""

    def __init__(self, threads, isa):
        self.version = f"NumPy {np.__version__}"

    def matmul(self, a, b):
        return lambda: a @ b

    def conv(self, x, w, g, stride, padding, groups, backward):
        N, C, _, _ = x.shape
        O, c, kh, kw = w.shape
        OH, OW = g.shape[2:]
        o = O // groups

        def run():
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

    def __init__(self, threads, isa):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.version = f"PyTorch {torch.__version__}"

    def matmul(self, a, b):
        a, b = self.torch.from_numpy(a), self.torch.from_numpy(b)
        return lambda: a @ b

    def conv(self, x, w, g, stride, padding, groups, backward):
        x, w, g = (self.torch.from_numpy(a) for a in (x, w, g))
        x.requires_grad_(backward)
        w.requires_grad_(backward)

        def run():
            y = self.torch.nn.functional.conv2d(x, w, None, stride, padding, 1, groups)
            if backward:
                self.torch.autograd.grad(y, (x, w), g)

        return run


SIDES = {"pyautograd": Ours, "numpy": NumPy, "torch": Torch}


def prepare(side, row, dtype):
    """The call that `row` times, on fresh random data."""
    rng = np.random.default_rng(0)
    kind, *sizes = row
    if kind == "matmul":
        m, k, n, layout = sizes
        a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
        if layout == "tn":
            a = np.asfortranarray(a)
        if layout == "nt":
            b = np.asfortranarray(b)
        return side.matmul(a, b)
    N, C, H, O, kernel, stride, padding, groups = sizes
    out = (H + 2 * padding - kernel) // stride + 1
    shapes = (N, C, H, H), (O, C // groups, kernel, kernel), (N, O, out, out)
    x, w, g = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return side.conv(x, w, g, stride, padding, groups, kind == "conv+grad")


def serve(name, threads, isa, dtype):
    """In a subprocess: reads a row per line, answers with its best time in seconds."""
    side = SIDES[name](threads, isa)
    print(side.version, flush=True)
    for line in sys.stdin:
        call = prepare(side, json.loads(line), dtype)
        call()
        start = time.perf_counter()
        call()
        repeats = max(1, int(0.005 / (time.perf_counter() - start)))
        best, end = float("inf"), time.perf_counter() + 0.1
        while time.perf_counter() < end:
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            best = min(best, (time.perf_counter() - start) / repeats)
        print(best, flush=True)


def operations(row):
    kind, *sizes = row
    if kind == "matmul":
        return 2 * sizes[0] * sizes[1] * sizes[2]
    N, C, H, O, kernel, stride, padding, groups = sizes
    out = (H + 2 * padding - kernel) // stride + 1
    return 2 * N * O * out**2 * C // groups * kernel**2 * (3 if kind == "conv+grad" else 1)


def show(title, header, rows):
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print(title)
        for row in (header, *rows):
            print(f"{row[0]:<44}", *(f"{cell:>14}" for cell in row[1:]))
        return
    table = Table(title=title)
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--isa", default="")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--only", choices=["matmul", "conv", "conv+grad"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.threads, args.isa, args.dtype)
        return
    count = str(args.threads)
    env = {**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    env.pop("OPENBLAS_CORETYPE", None)
    processes, versions = {}, []
    for name in SIDES:
        command = [sys.executable, __file__, *sys.argv[1:], "--serve", name]
        pipe = subprocess.PIPE
        errors = subprocess.DEVNULL if name == "torch" else None  # PyTorch may not be installed
        p = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=env)
        if version := p.stdout.readline().strip():
            processes[name] = p
            versions.append(version)
    rows = [("matmul", *row) for row in MATMULS]
    rows += [(kind, *row) for kind in ("conv", "conv+grad") for row in CONVS]
    table = []
    for row in rows:
        if args.only and row[0] != args.only:
            continue
        best = dict.fromkeys(processes, float("inf"))
        for _ in range(args.rounds):
            for name, p in processes.items():
                p.stdin.write(json.dumps(row) + "\n")
                p.stdin.flush()
                best[name] = min(best[name], float(p.stdout.readline()))
        ours = best["pyautograd"]
        cells = [f"{ours * 1e6:.1f}", f"{operations(row) / ours / 1e9:.1f}"]
        for name in list(processes)[1:]:
            cells += [f"{best[name] * 1e6:.1f}", f"{best[name] / ours:.2f}"]
        table.append((" ".join(map(str, row)), *cells))
    header = ["matmul m k n / conv N C H O k stride pad groups", "ours µs", "GFLOP/s"]
    for name in list(processes)[1:]:
        header += [f"{name} µs", "ratio"]
    show(f"{args.dtype}, {count} threads: {', '.join(versions)}", header, table)
    for p in processes.values():
        p.stdin.close()
        p.wait()


if __name__ == "__main__":
    main()
