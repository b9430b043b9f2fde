"""The rows of the kernel benchmark, by group: one program each for pyautograd and PyTorch.

A row is a function of tensors that is written once: both libraries have the same names. It states
what it cannot do without: the arithmetic, and the bytes that have to be read and written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

SIZES = (1_000, 300_000, 3_000_000)


class Cost(NamedTuple):
    """What a row must at least do."""

    operations: float
    bytes: float


class Row(NamedTuple):
    """run(lib, *inputs) gives the tensor to time.

    inputs: makes the arrays, from a random generator; float ones have gradients.
    backward: the cost of the gradients alone; None where there are none to take.
    short: whether the row is part of the short form.
    reference: the name of the NumPy implementation in arrays.py, and its arguments.
    """

    group: str
    name: str
    run: Callable[..., Any]
    inputs: Callable[[np.random.Generator], list[Any]]
    forward: Cost
    backward: Cost | None = None
    short: bool = False
    reference: tuple[Any, ...] = ()


def normal(*shape: int, dtype: str = "float32") -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.standard_normal(shape).astype(dtype)


def fortran(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A transposed view, as `x.t()` is."""
    return lambda rng: np.asfortranarray(rng.standard_normal(shape).astype(np.float32))


def integers(limit: int, *shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.integers(0, limit, shape)


def all_of(
    *makers: Callable[[np.random.Generator], Any],
) -> Callable[[np.random.Generator], list[Any]]:
    return lambda rng: [make(rng) for make in makers]


def floats(*counts: int) -> float:
    return 4.0 * sum(counts)


# ---- contractions --------------------------------------------------------------------------------

SHORT_MATMULS = ("512x512x512 nn", "1x1024x1024 nn", "64x784x256 nn", "4096x64x64 nn")


def matmul() -> Iterator[Row]:
    shapes = [
        *[(n, n, n, layout) for n in (128, 512, 1024) for layout in ("nn", "nt", "tn")],
        (256, 256, 256, "nn"), (100, 100, 100, "nn"), (64, 784, 256, "nn"), (64, 784, 256, "nt"),
        (4096, 64, 64, "nn"), (64, 64, 4096, "nn"), (2000, 32, 10, "nn"), (1, 1024, 1024, "nn"),
        (1, 1024, 1024, "nt"), (1024, 1024, 1, "nn"), (4, 4, 4, "nn"), (32, 16, 16, "nn"),
    ]  # fmt: skip
    for m, k, n, layout in shapes:
        name = f"{m}x{k}x{n} {layout}"
        forward = Cost(2.0 * m * k * n, floats(m * k, k * n, m * n))
        yield Row(
            "matmul",
            name,
            lambda lib, a, b: a @ b,
            all_of((fortran if layout == "tn" else normal)(m, k),
                   (fortran if layout == "nt" else normal)(k, n)),
            forward,
            Cost(2 * forward.operations, 2 * forward.bytes),
            name in SHORT_MATMULS,
            ("matmul",),
        )  # fmt: skip
    n = 512
    yield Row(
        "matmul",
        "512x512x512 float64",
        lambda lib, a, b: a @ b,
        all_of(normal(n, n, dtype="float64"), normal(n, n, dtype="float64")),
        Cost(2.0 * n**3, 24.0 * n * n),
        Cost(4.0 * n**3, 48.0 * n * n),
        False,
        ("matmul",),
    )
    forward = Cost(2.0 * 64 * 128 * 64 * 128, floats(64 * 128 * 64 * 2, 64 * 128 * 128))
    yield Row(
        "matmul",
        "batched 64 of 128x64x128",
        lambda lib, a, b: a @ b,
        all_of(normal(64, 128, 64), normal(64, 64, 128)),
        forward,
        Cost(2 * forward.operations, 2 * forward.bytes),
        True,
        ("matmul",),
    )
    forward = Cost(2.0 * 64 * 784 * 256, floats(64 * 784, 784 * 256, 64 * 256))
    yield Row(
        "matmul",
        "linear and relu 64x784x256",
        lambda lib, x, w, b: lib.nn.functional.linear(x, w, b).relu(),
        all_of(normal(64, 784), normal(256, 784), normal(256)),
        forward,
        Cost(2 * forward.operations, 2 * forward.bytes),
    )


CONVS = [  # N, C, H, O, kernel, stride, padding, groups, what it is like
    (64, 1, 28, 6, 5, 1, 0, 1, "LeNet"), (64, 6, 12, 16, 5, 1, 0, 1, "LeNet"),
    (32, 3, 32, 16, 3, 1, 1, 1, "CIFAR"), (32, 16, 32, 16, 3, 1, 1, 1, "CIFAR"),
    (32, 32, 16, 32, 3, 1, 1, 1, "CIFAR"), (32, 64, 8, 64, 3, 1, 1, 1, "CIFAR"),
    (32, 16, 32, 32, 3, 2, 1, 1, "CIFAR"), (32, 16, 32, 32, 1, 2, 0, 1, "CIFAR"),
    (4, 64, 56, 64, 3, 1, 1, 1, "ResNet-18"), (4, 256, 14, 256, 3, 1, 1, 1, "ResNet-18"),
    (4, 512, 7, 512, 3, 1, 1, 1, "ResNet-18"), (4, 3, 224, 64, 7, 2, 3, 1, "ResNet-18"),
    (2, 128, 56, 128, 3, 1, 1, 1, "VGG"), (4, 64, 56, 256, 1, 1, 0, 1, "1x1"),
    (4, 128, 28, 128, 3, 1, 1, 128, "depthwise"), (4, 240, 28, 240, 5, 1, 2, 240, "depthwise"),
    (4, 240, 28, 240, 3, 1, 1, 240, "depthwise"), (4, 96, 112, 96, 3, 2, 1, 96, "depthwise"),
    (4, 64, 56, 128, 3, 2, 1, 1, "strided"), (1, 512, 7, 512, 3, 1, 1, 1, "batch 1"),
    (4, 128, 28, 128, 3, 1, 1, 8, "grouped"), (3, 17, 31, 29, 3, 2, 1, 1, "odd"),
    (1, 64, 56, 64, 3, 1, 1, 1, "batch 1"),
]  # fmt: skip


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def conv() -> Iterator[Row]:
    for N, C, H, O, kernel, stride, padding, groups, like in CONVS:
        out = N * O * output_size(H, kernel, stride, padding) ** 2
        weights = O * C // groups * kernel**2
        forward = Cost(2.0 * out * C // groups * kernel**2, floats(N * C * H * H, out, weights))
        yield Row(
            "conv",
            f"{like} {N},{C},{H},{O} k{kernel} s{stride} p{padding} g{groups}",
            lambda lib, x, w, stride=stride, padding=padding, groups=groups: (
                lib.nn.functional.conv2d(x, w, None, stride, padding, 1, groups)
            ),
            all_of(normal(N, C, H, H), normal(O, C // groups, kernel, kernel)),
            forward,
            Cost(2 * forward.operations, 2 * forward.bytes),
            (N, C, kernel) in ((64, 1, 5), (32, 16, 3), (4, 64, 3), (4, 240, 5)) and stride == 1,
            ("conv", stride, padding, groups),
        )


# ---- windows and normalisations ------------------------------------------------------------------


def pool() -> Iterator[Row]:
    N, C, H = 32, 64, 56

    def row(
        name: str,
        out: int,
        run: Callable[..., Any],
        shape: tuple[int, ...] = (N, C, H, H),
        mask: int = 0,
        short: bool = False,
        reference: tuple[Any, ...] = (),
    ) -> Row:
        n, m = math.prod(shape), shape[0] * shape[1] * out * out
        cost = Cost(n, floats(n, m) + mask * m)
        return Row("pool", name, run, all_of(normal(*shape)), cost, cost, short, reference)

    def largest(*window: int) -> Callable[..., Any]:
        return lambda lib, x: lib.nn.functional.max_pool2d(x, *window)

    yield row("max 2/2", 28, largest(2), mask=1, short=True, reference=("max_pool", 2, 2, 0))
    yield row("max 3/2/1", 28, largest(3, 2, 1), mask=1, short=True,
              reference=("max_pool", 3, 2, 1))  # fmt: skip
    yield row("max 3/1/1", 56, largest(3, 1, 1), mask=1, reference=("max_pool", 3, 1, 1))
    yield row("max 2/2, small", 12, largest(2), (64, 6, 24, 24), 1,
              reference=("max_pool", 2, 2, 0))  # fmt: skip
    yield row("max 3/2, odd", 27, largest(3, 2), (8, 33, 55, 55), 1,
              reference=("max_pool", 3, 2, 0))  # fmt: skip
    yield row("average 2", 28, lambda lib, x: lib.nn.functional.avg_pool2d(x, 2), short=True,
              reference=("average_pool", 2))  # fmt: skip
    yield row("average 3/2/1", 28, lambda lib, x: lib.nn.functional.avg_pool2d(x, 3, 2, 1))
    yield row("global average", 1, lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 1),
              reference=("average_pool", H))  # fmt: skip
    yield row("global average 7x7", 1,
              lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 1), (32, 512, 7, 7),
              reference=("average_pool", 7))  # fmt: skip
    yield row("adaptive 7", 7, lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 7))
    yield row("adaptive 5", 5, lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 5))
    yield row(
        "adaptive max 7", 7, lambda lib, x: lib.nn.functional.adaptive_max_pool2d(x, 7), mask=8
    )
    yield row("adaptive max 20", 20, lambda lib, x: lib.nn.functional.adaptive_max_pool2d(x, 20),
              mask=8)  # fmt: skip


def resample() -> Iterator[Row]:
    shape = (4, 64, 56, 56)

    def row(name: str, size: int, taps: int, **options: Any) -> Row:
        out = shape[0] * shape[1] * size * size
        cost = Cost(2.0 * taps * out, floats(math.prod(shape), out))
        return Row("resample", name,
                   lambda lib, x: lib.nn.functional.interpolate(x, size, **options),
                   all_of(normal(*shape)), cost, cost)  # fmt: skip

    yield row("nearest 56 to 112", 112, 1)
    for size in (112, 40, 28):
        yield row(f"bilinear 56 to {size}", size, 4, mode="bilinear")
    yield row("bicubic 56 to 112", 112, 8, mode="bicubic")
    for channels, size in ((64, 56), (3, 128)):
        image = 4 * channels * size * size
        cost = Cost(8.0 * image, floats(2 * image, 8 * size * size))
        yield Row(
            "resample",
            f"grid_sample 4x{channels}x{size}x{size}",
            lambda lib, x, grid: lib.nn.functional.grid_sample(x, grid, align_corners=False),
            all_of(normal(4, channels, size, size),
                   lambda rng, n=size: rng.uniform(-1, 1, (4, n, n, 2)).astype(np.float32)),
            cost,
            Cost(2 * cost.operations, 2 * cost.bytes),
        )  # fmt: skip


def norm() -> Iterator[Row]:
    def row(
        name: str, run: Callable[..., Any], short: bool, *makers: Any, n: int, passes: int = 2
    ) -> Row:
        forward, backward = Cost(8.0 * n, floats(passes * n)), Cost(8.0 * n, floats(3 * n))
        return Row("norm", name, run, all_of(*makers), forward, backward, short)

    shape, n = (32, 64, 56, 56), 32 * 64 * 56 * 56
    yield row("batch_norm 32,64,56,56", lambda lib, x, w, b: (
        lib.nn.functional.batch_norm(x, None, None, w, b, True)), True,
        normal(*shape), normal(64), normal(64), n=n, passes=3)  # fmt: skip
    yield row("batch_norm 32,16,32,32", lambda lib, x, w, b: (
        lib.nn.functional.batch_norm(x, None, None, w, b, True)), False,
        normal(32, 16, 32, 32), normal(16), normal(16), n=32 * 16 * 1024)  # fmt: skip
    yield row("group_norm 8 of 8,64,28,28", lambda lib, x, w, b: (
        lib.nn.functional.group_norm(x, 8, w, b)), False,
        normal(8, 64, 28, 28), normal(64), normal(64), n=8 * 64 * 784)  # fmt: skip
    for rows, width in ((4096, 768), (64, 128)):
        yield row(f"layer_norm {rows}x{width}", lambda lib, x, w, b, width=width: (
            lib.nn.functional.layer_norm(x, (width,), w, b)), rows == 4096,
            normal(rows, width), normal(width), normal(width), n=rows * width)  # fmt: skip
    for rows, width in ((4096, 768), (64, 10)):
        yield row(f"softmax {rows}x{width}", lambda lib, x: lib.nn.functional.softmax(x, -1),
                  rows == 4096, normal(rows, width), n=rows * width)  # fmt: skip
        yield row(f"log_softmax {rows}x{width}",
                  lambda lib, x: lib.nn.functional.log_softmax(x, -1),
                  False, normal(rows, width), n=rows * width)  # fmt: skip
        yield row(f"cross_entropy {rows}x{width}",
                  lambda lib, x, y: lib.nn.functional.cross_entropy(x, y), rows == 4096,
                  normal(rows, width), integers(width, rows), n=rows * width, passes=1)  # fmt: skip


# ---- element by element --------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda lib, x: x.relu(),
    "exp": lambda lib, x: x.exp(),
    "tanh": lambda lib, x: x.tanh(),
    "sigmoid": lambda lib, x: x.sigmoid(),
    "gelu": lambda lib, x: lib.nn.functional.gelu(x),
}


def elementwise() -> Iterator[Row]:
    for n in SIZES:
        for name, run in FUNCTIONS.items():
            yield Row("element-wise", f"{name} {n}", run, all_of(normal(n)), Cost(n, floats(2 * n)),
                      Cost(2.0 * n, floats(3 * n)), n == SIZES[2] and name in ("relu", "tanh"),
                      (name,))  # fmt: skip
        yield Row("element-wise", f"(x*y+y).tanh()*y {n}", lambda lib, x, y: (x * y + y).tanh() * y,
                  all_of(normal(n), normal(n)), Cost(4.0 * n, floats(12 * n)),
                  Cost(8.0 * n, floats(18 * n)), n == SIZES[1], ("chain",))  # fmt: skip
        yield Row("element-wise", f"x+y {n}", lambda lib, x, y: x + y, all_of(normal(n), normal(n)),
                  Cost(n, floats(3 * n)), None, n == SIZES[2], ("add",))  # fmt: skip
    for m, n in ((64, 256), (4096, 768)):
        yield Row("element-wise", f"x+bias {m}x{n}", lambda lib, x, b: x + b,
                  all_of(normal(m, n), normal(n)), Cost(m * n, floats(2 * m * n)),
                  Cost(m * n, floats(m * n, n)), m == 4096, ("add",))  # fmt: skip
    m, n = 1500, 2000
    yield Row("element-wise", f"x*column {m}x{n}", lambda lib, x, b: x * b,
              all_of(normal(m, n), normal(m, 1)), Cost(m * n, floats(2 * m * n)), None, False,
              ("mul",))  # fmt: skip
    yield Row("element-wise", f"x+y, y transposed {m}x{n}", lambda lib, x, y: x + y,
              all_of(normal(m, n), fortran(m, n)), Cost(m * n, floats(3 * m * n)), None, False,
              ("add",))  # fmt: skip
    yield Row("element-wise", f"exp, transposed {m}x{n}", lambda lib, x: x.exp(),
              all_of(fortran(m, n)), Cost(m * n, floats(2 * m * n)), None, False,
              ("exp",))  # fmt: skip
    yield Row("element-wise", f"relu, every second column of {m}x{n}",
              lambda lib, x: x[:, ::2].relu(), all_of(normal(m, n)),
              Cost(m * n // 2, floats(m * n, m * n // 2)), None)  # fmt: skip
    yield Row("element-wise", "x+y 300000 float64", lambda lib, x, y: x + y,
              all_of(normal(300_000, dtype="float64"), normal(300_000, dtype="float64")),
              Cost(3e5, 7.2e6), None, False, ("add",))  # fmt: skip


# ---- reductions and movement ---------------------------------------------------------------------


def reduce() -> Iterator[Row]:
    m, n = 1024, 1536
    size = m * n

    def row(name: str, run: Callable[..., Any], *makers: Any, moved: float, short: bool = False,
            gradient: bool = True, reference: tuple[Any, ...] = ()) -> Row:  # fmt: skip
        cost = Cost(moved, floats(int(moved)))
        backward = cost if gradient else None
        return Row("reduce", name, run, all_of(*makers), cost, backward, short, reference)

    x = normal(m, n)
    for dim in (0, 1):
        yield row(f"sum over {dim}", lambda lib, x, dim=dim: x.sum(dim), x, moved=size,
                  short=True, reference=("sum", dim))  # fmt: skip
        yield row(f"mean over {dim}", lambda lib, x, dim=dim: x.mean(dim), x, moved=size,
                  reference=("mean", dim))  # fmt: skip
        yield row(f"max over {dim}", lambda lib, x, dim=dim: x.max(dim)[0], x, moved=size,
                  short=True, reference=("max", dim))  # fmt: skip
        yield row(f"amax over {dim}", lambda lib, x, dim=dim: x.amax(dim), x, moved=size,
                  reference=("max", dim))  # fmt: skip
        yield row(f"argmax over {dim}", lambda lib, x, dim=dim: x.argmax(dim), x, moved=size,
                  gradient=False, reference=("argmax", dim))  # fmt: skip
        yield row(f"var over {dim}", lambda lib, x, dim=dim: x.var(dim), x, moved=size,
                  reference=("var", dim))  # fmt: skip
    images = normal(16, 64, 28, 28)
    yield row("sum, all", lambda lib, x: x.sum(), x, moved=size, reference=("sum", None))
    yield row("sum of 64x10 over 0", lambda lib, x: x.sum(0), normal(64, 10), moved=640,
              reference=("sum", 0))  # fmt: skip
    yield row("sum over N, H, W", lambda lib, x: x.sum((0, 2, 3)), images, moved=16 * 64 * 784,
              reference=("sum", (0, 2, 3)))  # fmt: skip
    yield row("transpose copy", lambda lib, x: x.t().contiguous(), x, moved=2 * size,
              gradient=False, short=True, reference=("transposed_copy", (1, 0)))  # fmt: skip
    yield row("NCHW to NHWC copy", lambda lib, x: x.permute(0, 2, 3, 1).contiguous(), images,
              moved=2 * 16 * 64 * 784, gradient=False,
              reference=("transposed_copy", (0, 2, 3, 1)))  # fmt: skip
    for dim in (0, 1):
        yield row(f"concatenate 2 along {dim}", lambda lib, x, y, dim=dim: lib.cat([x, y], dim),
                  x, x, moved=4 * size, short=dim == 1, reference=("concatenate", dim))  # fmt: skip
    for dim in (0, 1):
        yield row(f"gather along {dim}", lambda lib, x, i, dim=dim: lib.gather(x, dim, i), x,
                  integers(m, m, n), moved=4 * size, short=dim == 1,
                  reference=("gather", dim))  # fmt: skip
        yield row(f"index_select along {dim}",
                  lambda lib, x, i, dim=dim: lib.index_select(x, dim, i), x, integers(m, 512),
                  moved=2 * size * 512 // (m, n)[dim], reference=("take", dim))  # fmt: skip
        yield row(f"scatter_add along {dim}",
                  lambda lib, x, i, y, dim=dim: x.scatter_add(dim, i, y), x, integers(m, m, n), x,
                  moved=6 * size)  # fmt: skip
    yield row("embedding rows", lambda lib, x, i: x[i], normal(10_000, 64), integers(10_000, 4096),
              moved=2 * 4096 * 64, reference=("take", 0))  # fmt: skip
    yield row("compare", lambda lib, x, y: x > y, x, x, moved=2 * size + size // 4, gradient=False,
              reference=("greater",))  # fmt: skip
    yield row("where", lambda lib, c, x, y: lib.where(c > 0, x, y), integers(2, m, n), x, x,
              moved=5 * size + size // 2, reference=("where",))  # fmt: skip
    yield row("pad by 1", lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1)), images,
              moved=2 * 16 * 64 * 784)  # fmt: skip


GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "matmul": matmul,
    "conv": conv,
    "pool": pool,
    "resample": resample,
    "norm": norm,
    "element-wise": elementwise,
    "reduce": reduce,
}


def all_rows() -> list[Row]:
    return [row for group in GROUPS.values() for row in group()]
