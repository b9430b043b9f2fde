"""Convolutions of random shapes, as networks have them, beside PyTorch's.

    python benchmarks/convolutions.py --seed 3 --count 2
    PYAUTOGRAD_ISA=avx2 python benchmarks/convolutions.py --kind depthwise --threads 2
    python benchmarks/convolutions.py "4,256,14x14,512 k3x3 s2 p1x1 d1 g1 forward"

Forward, input gradient and weight gradient apart. Lists the rows in which PyTorch's time over ours
is below a bound, worst first, and the geometric mean of each kind of network and part. "limit" is
the share of the rate of multiplications in registers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import turns

PARTS = ("forward", "input grad", "weight grad")


class Shape(NamedTuple):
    """One convolution: x (n, c, h, w), weights (o, c / groups, kh, kw); or the transposed one, of
    weights (c, o / groups, kh, kw)."""

    n: int
    c: int
    h: int
    w: int
    o: int
    kh: int
    kw: int
    stride: int = 1
    ph: int = 0
    pw: int = 0
    dilation: int = 1
    groups: int = 1
    transposed: bool = False

    def __str__(self) -> str:
        end = " transposed" if self.transposed else ""
        return (
            f"{self.n},{self.c},{self.h}x{self.w},{self.o} k{self.kh}x{self.kw} s{self.stride} "
            f"p{self.ph}x{self.pw} d{self.dilation} g{self.groups}{end}"
        )

    @classmethod
    def parse(cls, text: str) -> Shape:
        return cls(*map(int, re.findall(r"\d+", text)), transposed="transposed" in text)

    def operations(self) -> float:
        taps = self.n * self.c * self.o // self.groups * self.kh * self.kw
        if self.transposed:
            return 2.0 * taps * self.h * self.w
        down = self.h + 2 * self.ph - self.dilation * (self.kh - 1) - 1
        across = self.w + 2 * self.pw - self.dilation * (self.kw - 1) - 1
        step = self.stride
        return 2.0 * taps * (down // step + 1) * (across // step + 1)


# ---- kinds of networks ---------------------------------------------------------------------------


def square(n: int, c: int, h: int, o: int, k: int, s: int = 1, p: int = 0, d: int = 1,
           g: int = 1) -> Shape:  # fmt: skip
    return Shape(n, c, h, h, o, k, k, s, p, p, d, g)


def pick(rng: np.random.Generator, *choices: int) -> int:
    return choices[int(rng.integers(len(choices)))]


def lenet(rng: np.random.Generator) -> Shape:
    n = pick(rng, 1, 16, 32, 64, 100, 128)
    if rng.integers(2):
        return square(n, pick(rng, 1, 1, 3), pick(rng, 28, 28, 32), pick(rng, 6, 8, 16, 20), 5, 1,
                      pick(rng, 0, 2))  # fmt: skip
    return square(n, pick(rng, 6, 8, 16, 20), pick(rng, 12, 14, 20), pick(rng, 16, 32, 50), 5, 1,
                  pick(rng, 0, 0, 2))  # fmt: skip


def cifar(rng: np.random.Generator) -> Shape:
    level = int(rng.integers(4))
    n, width = pick(rng, 1, 16, 32, 64), pick(rng, 16, 16, 24, 32)
    if level == 3:
        return square(n, pick(rng, 1, 3), 32, width, 3, 1, 1)
    size, channels = 32 >> level, width << level
    if level < 2 and rng.integers(2):
        kernel = pick(rng, 3, 3, 1)
        return square(n, channels, size, 2 * channels, kernel, 2, kernel // 2)
    return square(n, channels, size, channels, 3, 1, 1)


def resnet(rng: np.random.Generator) -> Shape:
    level, n = int(rng.integers(5)), pick(rng, 1, 1, 2, 4, 8)
    if level == 4:
        return square(n, 3, pick(rng, 128, 192, 224), 64, 7, 2, 3)
    size, channels = 56 >> level, 64 << level
    kind = int(rng.integers(4))
    if kind == 0 and level < 3:
        return square(n, channels, size, 2 * channels, 3, 2, 1)
    if kind == 1 and level < 3:
        return square(n, channels * pick(rng, 1, 4), size, 2 * channels, 1, 2)
    if kind == 2:
        narrow, wide = channels, 4 * channels
        return square(n, *((narrow, size, wide) if rng.integers(2) else (wide, size, narrow)), 1)
    return square(n, channels, size, channels, 3, 1, 1)


def vgg(rng: np.random.Generator) -> Shape:
    level = int(rng.integers(5))
    size, o = pick(rng, 112, 128) >> level, min(512, 64 << level)
    c = pick(rng, o, 3 if level == 0 else min(512, 32 << level))
    return square(pick(rng, 1, 1, 2, 4), c, size, o, 3, 1, 1)


def depthwise(rng: np.random.Generator) -> Shape:
    size = pick(rng, 112, 56, 56, 28, 28, 14, 14, 7)
    c = {112: pick(rng, 32, 64), 56: pick(rng, 64, 96, 144), 28: pick(rng, 128, 144, 192, 240),
         14: pick(rng, 256, 384, 480, 576), 7: pick(rng, 576, 672, 960, 1152)}[size]  # fmt: skip
    k = pick(rng, 3, 3, 5)
    return square(pick(rng, 1, 4, 8), c, size, c, k, pick(rng, 1, 1, 2), k // 2, 1, c)


def grouped(rng: np.random.Generator) -> Shape:
    size = pick(rng, 56, 28, 14)
    groups, of_group = pick(rng, 2, 4, 8, 16, 32), pick(rng, 4, 8, 16, 24)
    c = groups * of_group
    return square(pick(rng, 1, 2, 4), c, size, c, 3, pick(rng, 1, 1, 2), 1, 1, groups)


def pointwise(rng: np.random.Generator) -> Shape:
    size = pick(rng, 56, 28, 28, 14, 14, 7)
    c, o = pick(rng, 16, 24, 64, 96, 128, 256), pick(rng, 16, 40, 64, 96, 160, 256)
    return square(pick(rng, 1, 4, 8), c, size, o, 1, pick(rng, 1, 1, 1, 2))


def odd(rng: np.random.Generator) -> Shape:
    h, w = (int(rng.integers(9, 60)) for _ in range(2))
    k = pick(rng, 2, 3, 3, 4, 5, 7)
    return Shape(int(rng.integers(1, 9)), int(rng.integers(1, 50)), h, w, int(rng.integers(1, 70)),
                 k, pick(rng, k, k, 3), pick(rng, 1, 1, 2, 3), k // 2, pick(rng, 0, 1))  # fmt: skip


def dilated(rng: np.random.Generator) -> Shape:
    d, c = pick(rng, 2, 2, 4), pick(rng, 16, 32, 64, 128)
    return square(pick(rng, 1, 2, 4), c, pick(rng, 28, 32, 48), pick(rng, c, 64), 3, 1, d, d)


def conv1d(rng: np.random.Generator) -> Shape:
    k, s = pick(rng, 3, 3, 5, 7, 9), pick(rng, 1, 1, 2)
    c = pick(rng, 1, 16, 32, 64, 128)
    return Shape(pick(rng, 1, 8, 16, 32), c, 1, pick(rng, 64, 128, 250, 1000),
                 pick(rng, 16, 32, 64, 128), 1, k, s, 0, k // 2)  # fmt: skip


def transposed(rng: np.random.Generator) -> Shape:
    k, s, p = ((4, 2, 1), (2, 2, 0), (3, 1, 1), (3, 2, 1))[int(rng.integers(4))]
    return Shape(pick(rng, 1, 4, 16), pick(rng, 32, 64, 128), *(pick(rng, 7, 8, 14, 16, 28),) * 2,
                 pick(rng, 3, 16, 32, 64), k, k, s, p, p, 1, 1, True)  # fmt: skip


KINDS: dict[str, Callable[[np.random.Generator], Shape]] = {
    f.__name__: f
    for f in (lenet, cifar, resnet, vgg, depthwise, grouped, pointwise, odd, dilated, conv1d,
              transposed)
}  # fmt: skip


# ---- programs ------------------------------------------------------------------------------------


def program(lib: Any, shape: Shape, part: str) -> turns.Work:
    rng = np.random.default_rng(0)

    def tensor(*size: int) -> Any:
        return lib.from_numpy(rng.standard_normal(size).astype(np.float32))

    s, f = shape, lib.nn.functional
    x = tensor(s.n, s.c, s.h, s.w)
    if s.transposed:
        w = tensor(s.c, s.o // s.groups, s.kh, s.kw)
        args = (s.stride, (s.ph, s.pw), 0, s.groups, s.dilation)
        run = f.conv_transpose2d
    else:
        w = tensor(s.o, s.c // s.groups, s.kh, s.kw)
        args = (s.stride, (s.ph, s.pw), s.dilation, s.groups)
        run = f.conv2d
    if s.h == s.kh == 1:
        x, w = x.squeeze(2), w.squeeze(2)
        args = (s.stride, s.pw, s.dilation, s.groups)
        run = f.conv1d
    if part == "forward":
        return lambda: run(x, w, None, *args)
    wanted = (x if part == "input grad" else w).requires_grad_()
    y = run(x, w, None, *args)
    g = lib.ones_like(y.detach())
    return lambda: lib.autograd.grad(y, wanted, g, retain_graph=True)


def limit(shape: Shape) -> turns.Work:
    from pyautograd import _C

    return lambda: _C.run_fma(int(shape.operations()), True)


class Programs(Mapping[str, turns.Row]):
    """The program of any row: its name, 'shape part', says all."""

    def __init__(self, side: str) -> None:
        self.side = side
        if side == "torch":
            import torch as lib
        else:
            import pyautograd as lib  # type: ignore[no-redef]
        self.lib = lib

    def __getitem__(self, name: str) -> turns.Row:
        part = next(part for part in PARTS if name.endswith(part))
        shape = Shape.parse(name)
        if self.side == "limit":
            return lambda: limit(shape)
        return lambda: program(self.lib, shape, part)

    def __contains__(self, name: object) -> bool:
        return str(name).endswith(PARTS)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


# ---- report --------------------------------------------------------------------------------------


def mean(ratios: list[float]) -> float:
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def report(
    kind_of: Mapping[str, str], best: Mapping[str, Mapping[str, float]], below: float
) -> str:
    ratio = {name: t["torch"] / t["pyautograd"] for name, t in best.items()}
    lines = []
    for name in sorted(ratio, key=ratio.__getitem__):
        if ratio[name] >= below:
            break
        ours = best[name]["pyautograd"]
        rate = Shape.parse(name).operations() / ours / 1e9
        lines.append([f"{kind_of[name]}: {name}", f"{ours * 1e6:.1f}", f"{rate:.1f}",
                      f"{best[name]['limit'] / ours:.0%}", f"{ratio[name]:.2f}x"])  # fmt: skip
    groups: dict[tuple[str, str], list[float]] = {}
    for name, value in ratio.items():
        part = next(part for part in PARTS if name.endswith(part))
        groups.setdefault((kind_of[name], part), []).append(value)
    means = [
        [kind, *(f"{mean(groups[kind, p]):.2f}x" if (kind, p) in groups else "-" for p in PARTS)]
        for kind in dict.fromkeys(kind_of.values())
    ]
    return "\n\n".join(
        [
            turns.table([f"rows below {below}x", "us", "GFLOP/s", "limit", "ratio"], lines),
            turns.table(["geometric mean", *PARTS], means),
        ]
    )


def main() -> None:
    parser = turns.parser(__doc__ or "")
    parser.add_argument("rows", nargs="*", help="rows to run: 'shape part'; otherwise random ones")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="of network")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=4, help="shapes of each kind")
    parser.add_argument("--below", type=float, default=1.1, help="ratios that are listed")
    parser.set_defaults(rounds=2)
    args = parser.parse_args()
    if args.side:
        turns.serve(args.side, args.threads, Programs(args.side))
        return
    kind_of = dict.fromkeys(args.rows, "row")
    if not kind_of:
        for kind in args.kind or KINDS:
            rng = np.random.default_rng((args.seed, list(KINDS).index(kind)))
            for _ in range(args.count):
                shape = KINDS[kind](rng)
                kind_of |= {f"{shape} {part}": kind for part in args.part or PARTS}
    names = [name for name in kind_of if args.only in name]
    sides = ["pyautograd", "torch", "limit"]
    print(report(kind_of, turns.measure(sides, names, args.threads, args.rounds), args.below))


if __name__ == "__main__":
    main()
