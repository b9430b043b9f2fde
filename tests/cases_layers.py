"""Rows of the table of ops: pooling in all dimensions, resampling, grids, bags, margins, CTC."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import references as ref
from case import INF, NAN, Case, apart, constant, fixed, integers, nonzero, op, positive

import pyautograd as ag

LAYERS: list[Case] = []

# ---- pooling -------------------------------------------------------------------------------------


def span(size: int, k: int, s: int, p: int, d: int, ceil: bool) -> list[list[int]]:
    """The taps of each window along a dimension, those in the padding included."""
    count = (math.ceil if ceil else math.floor)((size + 2 * p - d * (k - 1) - 1) / s) + 1
    if ceil and (count - 1) * s >= size + p:
        count -= 1
    return [[i * s - p + j * d for j in range(k)] for i in range(count)]


def adaptive(size: int, n: int) -> list[list[int]]:
    return [list(range(i * size // n, -(-(i + 1) * size // n))) for i in range(n)]


def pooled(x: Any, windows: list[Any], reduce: Any) -> Any:
    """reduce(values (..., taps), numbers of the taps, all taps) for each window, stacked."""
    sizes = x.shape[-len(windows) :]
    flat = x.reshape(*x.shape[: -len(windows)], -1)
    results = []
    for window in itertools.product(*windows):
        every = list(itertools.product(*window))
        inside = [
            np.ravel_multi_index(tap, sizes)
            for tap in every
            if all(0 <= t < n for t, n in zip(tap, sizes, strict=True))
        ]
        results.append(reduce(flat[..., inside], np.array(inside), every))
    out = [np.stack(part, -1) for part in zip(*results, strict=True)]
    shape = (*flat.shape[:-1], *map(len, windows))
    return tuple(y.reshape(shape) for y in out)


def largest(values: Any, places: Any, every: Any) -> Any:
    return values.max(-1), places[values.argmax(-1)]


def windows_of(x: Any, dims: int, k: Any, s: Any = None, p: Any = 0, d: Any = 1,
               ceil: bool = False) -> list[Any]:  # fmt: skip
    each = [(v,) * dims if isinstance(v, int) else v for v in (k, k if s is None else s, p, d)]
    return [span(n, *g, ceil) for n, *g in zip(x.shape[-dims:], *each, strict=True)]


def max_pool(x: Any, dims: int, *args: Any) -> Any:
    return pooled(x, windows_of(x, dims, *args), largest)


def avg_pool(x: Any, dims: int, k: Any, s: Any = None, p: int = 0, ceil: bool = False,
             pad_counts: bool = True, divisor: int | None = None) -> Any:  # fmt: skip
    def mean(values: Any, places: Any, every: Any) -> Any:
        sizes = x.shape[-dims:]
        padded = [t for t in every if all(a < n + p for a, n in zip(t, sizes, strict=True))]
        return (values.sum(-1) / (divisor or len(padded if pad_counts else places)),)

    return pooled(x, windows_of(x, dims, k, s, p, 1, ceil), mean)[0]


SEQUENCE, VOLUME = (2, 3, 7), (2, 2, 5, 4, 3)
for dims, shape, large in ((1, SEQUENCE, (40, 8, 300)), (3, VOLUME, (4, 6, 12, 20, 17))):
    for args in ((2,), (3, 2, 1), (2, 1, 1, 2, True)):
        LAYERS += [
            Case(f"max_pool{dims}d {args}",
                 lambda K, x, n=f"max_pool{dims}d", a=args: getattr(K, n)(x, *a), [apart(*shape)],
                 lambda x, n=dims, a=args: max_pool(x, n, *a)[0],
                 large=[apart(*large)] if args == (3, 2, 1) else None),
            Case(f"max_pool{dims}d {args} indices",
                 lambda K, x, n=f"max_pool{dims}d", a=args: getattr(K, n)(
                     x, *a, return_indices=True),
                 [apart(*shape[1:])], lambda x, n=dims, a=args: max_pool(x, n, *a)),
        ]  # fmt: skip
    for args in ((2,), (3, 2, 1, True), (3, 2, 1, True, False)):
        LAYERS.append(
            Case(f"avg_pool{dims}d {args}",
                 lambda K, x, n=f"avg_pool{dims}d", a=args: getattr(K, n)(x, *a), [shape],
                 lambda x, n=dims, a=args: avg_pool(x, n, *a),
                 large=[large] if args == (2,) else None)
        )  # fmt: skip
LAYERS += [
    *[Case(f"max_pool1d even {args}",
           lambda K, x, a=args: K.max_pool1d(x, *a, return_indices=True), [apart(3, 40)],
           lambda x, a=args: max_pool(x, 1, *a), large=[apart(30, 9, 400)])
      for args in ((2,), (3, 1, 1), (4, 2, 2, 2))],
    Case("max_pool3d equal", lambda K, x: K.max_pool3d(x, 2, return_indices=True),
         [fixed(np.ones((1, 2, 4, 2)))], lambda x: max_pool(x, 3, 2), smooth=False),
    Case("avg_pool3d divisor", lambda K, x: K.avg_pool3d(x, 2, 1, 1, divisor_override=5),
         [VOLUME], lambda x: avg_pool(x, 3, 2, 1, 1, False, True, 5)),
]  # fmt: skip
for dims, shape, sizes in (
    (1, SEQUENCE, (1, 3, 7, 10)),
    (2, (2, 3, 5, 4), ((3, 2), (1, 4), (7, 3))),
    (3, VOLUME, ((2, 3, 1), (5, 2, 2))),
):
    for size in sizes:
        full = (size,) if dims == 1 else size

        def cut(x: Any, full: Any = full) -> Any:
            return [adaptive(n, m) for n, m in zip(x.shape[-len(full) :], full, strict=True)]

        LAYERS.append(
            Case(f"adaptive_max_pool{dims}d {size}",
                 lambda K, x, n=f"adaptive_max_pool{dims}d", s=size: getattr(K, n)(
                     x, s, return_indices=True),
                 [apart(*shape)], lambda x, cut=cut: pooled(x, cut(x), largest))
        )  # fmt: skip
        if dims == 1:
            LAYERS.append(
                Case(f"adaptive_avg_pool1d long {size}",
                     lambda K, x, s=size: K.adaptive_avg_pool1d(x, s), [(3, 75)],
                     lambda x, cut=cut: pooled(x, cut(x), lambda v, p, e: (v.mean(-1),))[0],
                     large=[(30, 9, 400)])
            )  # fmt: skip
        if dims != 2:
            LAYERS.append(
                Case(f"adaptive_avg_pool{dims}d {size}",
                     lambda K, x, n=f"adaptive_avg_pool{dims}d", s=size: getattr(K, n)(x, s),
                     [shape],
                     lambda x, cut=cut: pooled(x, cut(x), lambda v, p, e: (v.mean(-1),))[0])
            )  # fmt: skip
# Windows of one row, of several, of few and of many columns, and of the whole plane.
for shape, size in (
    ((2, 2, 5, 70), (2, 3)), ((2, 2, 3, 70), (3, 2)), ((2, 9, 40), (4, 33)),
    ((2, 2, 9, 40), (1, 1)), ((2, 2, 4, 6), (2, 3)), ((2, 40, 3), (5, 1)),
):  # fmt: skip
    for kind, draw in (
        ("", apart(*shape)),
        (" equal", fixed(np.ones(shape))),
        (" -inf", constant(fixed(np.full(shape, -INF)))),
        (" NaN", fixed(np.where(np.arange(np.prod(shape)) == 60, NAN, 1.0).reshape(shape))),
    ):
        LAYERS.append(
            Case(f"adaptive_max_pool2d {shape} {size}{kind}",
                 lambda K, x, s=size: K.adaptive_max_pool2d(x, s, return_indices=True), [draw],
                 lambda x, size=size: pooled(
                     x, [adaptive(*n) for n in zip(x.shape[-2:], size, strict=True)], largest),
                 order=0 if "inf" in kind else 2, smooth=not kind,
                 large=None if kind else [apart(6, 10, 40, 30)])
        )  # fmt: skip
LAYERS += [
    Case(f"lp_pool{dims}d {p}",
         lambda K, x, n=f"lp_pool{dims}d", p=p: getattr(K, n)(x, p, 2), [positive(*shape)],
         lambda x, n=dims, p=p: pooled(
             x, windows_of(x, n, 2), lambda v, at, every: (np.linalg.norm(v, p, -1),))[0])
    for dims, shape in ((1, SEQUENCE), (2, (2, 3, 5, 4)), (3, VOLUME)) for p in (2.0, 3.0)
]  # fmt: skip
LAYERS += [
    Case("max_unpool2d", lambda K, x: K.max_unpool2d(*K.max_pool2d(x, 2, return_indices=True), 2),
         [apart(2, 3, 4, 6)],
         lambda x: x * (x == max_pool(x, 2, 2)[0].repeat(2, 2).repeat(2, 3))),
    Case("max_unpool1d size", lambda K, x: K.max_unpool1d(
            *K.max_pool1d(x, 2, return_indices=True), 2, output_size=(7,)),
         [apart(2, 7)],
         lambda x: np.pad(x[:, :6] * (x[:, :6] == max_pool(x, 1, 2)[0].repeat(2, 1)),
                          ((0, 0), (0, 1)))),
    Case("max_unpool3d", lambda K, x: K.max_unpool3d(*K.max_pool3d(x, 2, return_indices=True), 2),
         [apart(1, 2, 2, 4, 2)],
         lambda x: x * (x == max_pool(x, 3, 2)[0].repeat(2, 2).repeat(2, 3).repeat(2, 4))),
]  # fmt: skip

# ---- resampling ----------------------------------------------------------------------------------


def keys(t: float) -> float:
    t, a = abs(t), -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


KERNELS: dict[str, Any] = {
    "linear": (1, lambda t: max(0.0, 1 - abs(t))),
    "cubic": (2, keys),
}


def resampled(x: Any, sizes: Any, kind: str, corners: bool = False, step: Any = None) -> Any:
    """Sums over all inputs, with the kernel's weights; one dimension after the other."""
    for d, m in enumerate(sizes, start=2):
        n = x.shape[d]
        by = step or n / m
        matrix = np.zeros((m, n))
        for i in range(m):
            if kind in ("nearest", "nearest-exact"):
                at = math.floor(by * (i + (0.5 if kind != "nearest" else 0)) + 1e-9)
                matrix[i, min(at, n - 1)] = 1
                continue
            at = i * (n - 1) / max(m - 1, 1) if corners else by * (i + 0.5) - 0.5
            reach, weight = KERNELS[kind]
            for j in range(math.floor(at) - reach, math.floor(at) + reach + 2):
                matrix[i, min(max(j, 0), n - 1)] += weight(at - j)
        x = np.moveaxis(np.moveaxis(x, d, -1) @ matrix.T, -1, d)
    return x


IMAGES = (2, 2, 4, 5)
LAYERS += [
    *[Case(f"interpolate {mode} {size}",
           lambda K, x, m=mode, s=size: K.interpolate(x, s, mode=m), [IMAGES],
           lambda x, m=mode, s=size: resampled(x, s, m))
      for mode in ("nearest", "nearest-exact") for size in ((8, 10), (3, 7), (1, 2), (4, 11))],
    *[Case(f"interpolate {mode} {size} {corners}",
           lambda K, x, m=mode, s=size, c=corners: K.interpolate(x, s, mode=m, align_corners=c),
           [IMAGES], lambda x, m=mode, s=size, c=corners: resampled(x, s, m[2:], c))
      for mode in ("bilinear", "bicubic") for corners in (False, True)
      for size in ((8, 10), (3, 7))],
    Case("interpolate linear", lambda K, x: K.interpolate(x, 11, mode="linear"), [(2, 3, 4)],
         lambda x: resampled(x, (11,), "linear")),
    Case("interpolate trilinear", lambda K, x: K.interpolate(x, (3, 5, 2), mode="trilinear"),
         [(1, 2, 2, 3, 4)], lambda x: resampled(x, (3, 5, 2), "linear")),
    Case("interpolate factor", lambda K, x: K.interpolate(x, scale_factor=2, mode="bilinear"),
         [IMAGES], lambda x: resampled(x, [2 * n for n in x.shape[2:]], "linear"),
         large=[(3, 7, 40, 50)]),
    Case("interpolate nearest factor", lambda K, x: K.interpolate(x, scale_factor=3),
         [(2, 3, 5)], lambda x: x.repeat(3, 2), large=[(30, 7, 500)]),
    Case("interpolate uneven factor",
         lambda K, x: K.interpolate(x, scale_factor=1.7, mode="linear"),
         [(2, 3, 5)], lambda x: resampled(x, (8,), "linear", step=1 / 1.7)),
    *[Case(f"interpolate {mode} {size} wide",
           lambda K, x, m=mode, s=size: K.interpolate(x, s, mode=m), [(2, 1, 6, 50)],
           lambda x, m=mode, s=size: resampled(x, s, m.removeprefix("bi")),
           large=[(5, 3, 60, 50)])
      for mode in ("nearest", "bilinear", "bicubic")
      for size in ((7, 90), (4, 60), (5, 40), (6, 11), (3, 50), (8, 50), (6, 50))],
    Case("interpolate area", lambda K, x: K.interpolate(x, (2, 3), mode="area"), [IMAGES],
         lambda x: ref.adaptive_avg_pool2d(x, (2, 3))),
    Case("interpolate antialias",
         lambda K, x: K.interpolate(x, 3, mode="bilinear", antialias=True), [(1, 1, 6, 6)],
         lambda x: np.einsum("im,ncmk,jk->ncij", TENT, x, TENT)),
    Case("pixel_shuffle", lambda K, x: K.pixel_shuffle(x, 2), [(2, 8, 3, 2)],
         lambda x: shuffled(x, 2)),
    Case("pixel_unshuffle", lambda K, x: K.pixel_unshuffle(x, 2), [(3, 4, 6)],
         lambda x: np.concatenate([
             x[c : c + 1, i::2, j::2] for c in range(3) for i in range(2) for j in range(2)])),
    Case("channel_shuffle", lambda K, x: K.channel_shuffle(x, 3), [(2, 6, 2)],
         lambda x: x[:, [0, 2, 4, 1, 3, 5]]),
]  # fmt: skip
# Each output is over two inputs and half of each neighbour; those beyond the border are left out.
TENT = np.array([[3, 3, 1, 0, 0, 0], [0, 1, 3, 3, 1, 0], [0, 0, 0, 1, 3, 3]])
TENT = TENT / TENT.sum(1, keepdims=True)


def shuffled(x: Any, r: int) -> Any:
    n, c, h, w = x.shape
    out = np.empty((n, c // r**2, h * r, w * r))
    for k, i, j in itertools.product(range(c), range(h), range(w)):
        out[:, k // r**2, i * r + k % r**2 // r, j * r + k % r] = x[:, k, i, j]
    return out


# ---- grids ---------------------------------------------------------------------------------------


def mirrored(a: float, size: int) -> float:
    a = abs(a + 0.5) % (2 * size)
    return min(a, 2 * size - a) - 0.5


def tent(t: float) -> float:
    return max(0.0, 1 - t)


def sampled(x: Any, grid: Any, padding: str, weight: Any = tent) -> Any:
    """By weights of distances, without align_corners: (N, C, H, W) at (N, P, Q, 2)."""
    out = np.zeros((*x.shape[:2], *grid.shape[1:3]))
    sizes = x.shape[2:]
    for n, p, q in np.ndindex(*grid.shape[:3]):
        at = [((grid[n, p, q, 1 - i] + 1) * size - 1) / 2 for i, size in enumerate(sizes)]
        if padding == "reflection":
            at = [mirrored(a, size) for a, size in zip(at, sizes, strict=True)]
        if padding != "zeros":
            at = [min(max(a, 0), size - 1) for a, size in zip(at, sizes, strict=True)]
        for i, j in np.ndindex(*sizes):
            share = weight(abs(at[0] - i)) * weight(abs(at[1] - j))
            out[n, :, p, q] += x[n, :, i, j] * share
    return out


PLACES = fixed(np.random.default_rng(3).uniform(-1.3, 1.3, (2, 2, 3, 2)))
LAYERS += [
    *[Case(f"grid_sample {padding}",
           lambda K, x, g, p=padding: K.grid_sample(x, g, padding_mode=p, align_corners=False),
           [(2, 3, 4, 5), PLACES], lambda x, g, p=padding: sampled(x, g, p))
      for padding in ("zeros", "border", "reflection")],
    Case("grid_sample bicubic",
         lambda K, x, g: K.grid_sample(x, g, "bicubic", align_corners=False),
         [(2, 3, 4, 5), PLACES], lambda x, g: sampled(x, g, "zeros", keys)),
    # Blocks of channels, and tiles of places.
    Case("grid_sample channels", lambda K, x, g: K.grid_sample(x, g, align_corners=False),
         [(2, 20, 2, 3), PLACES], lambda x, g: sampled(x, g, "zeros"),
         large=[(2, 20, 13, 17), (2, 9, 15, 2)]),
    Case("grid_sample tiles", lambda K, x, g: K.grid_sample(x, g, align_corners=False),
         [(1, 1, 2, 3), fixed(np.random.default_rng(4).uniform(-1.3, 1.3, (1, 7, 10, 2)))],
         lambda x, g: sampled(x, g, "zeros"), large=[(3, 2, 13, 17), (3, 15, 20, 2)]),
    Case("grid_sample nearest",
         lambda K, x, g: K.grid_sample(x, g, "nearest", align_corners=False),
         [(2, 3, 4, 5), constant(PLACES)],
         lambda x, g: sampled(x, g, "zeros", lambda t: t < 0.5)),
    Case("affine_grid", lambda K, t: K.affine_grid(t, (2, 1, 3, 4), align_corners=True),
         [(2, 2, 3)],
         lambda t: np.stack(np.broadcast_arrays(*np.meshgrid(
             np.linspace(-1, 1, 4), np.linspace(-1, 1, 3)), 1.0), -1) @ t[:, None].swapaxes(2, 3)),
]  # fmt: skip

# ---- bags, products, distances -------------------------------------------------------------------


def bags(i: Any, w: Any, offsets: Any, how: Any) -> Any:
    parts = np.split(i, offsets[1:])
    return np.stack([how(w[part], axis=0) if len(part) else 0 * w[0] for part in parts])


BAGS = [0, 2, 2, 5]  # where they begin: decides about shapes, and is no input
LAYERS += [
    *[Case(f"embedding_bag {mode}",
           lambda K, i, w, m=mode: K.embedding_bag(i, w, ag.tensor(BAGS), mode=m),
           [integers(0, 5, 7), apart(5, 3)],
           lambda i, w, f=how: bags(i, w, BAGS, f), torch=False)  # which has no second order
      for mode, how in (("sum", np.sum), ("mean", np.mean), ("max", np.max))],
    *[Case(f"embedding_bag {mode} rectangle",
           lambda K, i, w, m=mode: K.embedding_bag(i, w, mode=m),
           [fixed([[1, 2], [4, 0], [3, 1]]), apart(5, 3)], lambda i, w, f=how: f(w[i], axis=1),
           torch=False)
      for mode, how in (("sum", np.sum), ("mean", np.mean), ("max", np.max))],
    Case("embedding_bag weights",
         lambda K, i, w, s: K.embedding_bag(i, w, mode="sum", per_sample_weights=s),
         [integers(0, 5, 4, 3), (5, 3), (4, 3)],
         lambda i, w, s: (w[i] * s[..., None]).sum(1), torch=False,
         large=[integers(0, 50, 400, 9), (50, 30),
                                                              (400, 9)]),
    *[Case(f"embedding_bag {mode} padding",
           lambda K, i, w, m=mode: K.embedding_bag(
               i, w, ag.tensor([0, 1, 4]), mode=m, padding_idx=1),
           [fixed([1, 0, 1, 2, 3]), apart(5, 3)],
           lambda i, w, f=how: np.stack([0 * w[0], f(w[[0, 2]], axis=0), w[3]]), smooth=False,
           torch=False)
      for mode, how in (("sum", np.sum), ("mean", np.mean), ("max", np.max))],
    Case("bilinear", op("bilinear"), [(4, 3), (4, 2), (5, 3, 2), (5,)],
         lambda x, y, w, b: np.einsum("ni,oij,nj->no", x, w, y) + b),
    Case("local_response_norm", lambda K, x: K.local_response_norm(x, 3, 0.3, 0.6, 1.2),
         [(2, 4, 3)],
         lambda x: x / (1.2 + 0.1 * np.stack([
             (x[:, max(0, c - 1) : c + 2] ** 2).sum(1) for c in range(4)], 1)) ** 0.6),
    Case("local_response_norm even", lambda K, x: K.local_response_norm(x, 2, 0.5),
         [(2, 3, 2, 2)],
         lambda x: x / (1 + 0.25 * np.stack([
             (x[:, max(0, c - 1) : c + 1] ** 2).sum(1) for c in range(3)], 1)) ** 0.75),
    *[Case(f"pairwise_distance {p}", lambda K, x, y, p=p: K.pairwise_distance(x, y, p),
           [apart(3, 4), apart(4)], lambda x, y, p=p: np.linalg.norm(x - y + 1e-6, p, -1),
           smooth=False)
      for p in (1.0, 2.0, 3.0)],
]  # fmt: skip

# ---- losses --------------------------------------------------------------------------------------

# Three samples: 1 2, 1 1 and nothing, in 4, 3 and 2 frames.
LABELS, FRAMES, COUNTS = [[1, 2], [1, 1], [0, 0]], [4, 3, 2], [2, 2, 0]
FRAMED = [ag.tensor(values) for values in (LABELS, FRAMES, COUNTS)]
SIGNS = fixed([1, -1, 1])
for r in ("mean", "sum", "none"):
    LAYERS += [
        Case(f"hinge_embedding_loss {r}",
             lambda K, x, t, r=r: K.hinge_embedding_loss(x, t, 0.7, reduction=r),
             [apart(4, 3), SIGNS],
             lambda x, t, r=r: ref.reduced(np.where(t == 1, x, np.maximum(0, 0.7 - x)), r)),
        Case(f"soft_margin_loss {r}", lambda K, x, t, r=r: K.soft_margin_loss(x, t, reduction=r),
             [(3,), SIGNS], lambda x, t, r=r: ref.reduced(np.logaddexp(0, -t * x), r)),
        Case(f"margin_ranking_loss {r}",
             lambda K, x, y, t, r=r: K.margin_ranking_loss(x, y * 3, t, 0.2, reduction=r),
             [apart(3), apart(3), SIGNS],
             lambda x, y, t, r=r: ref.reduced(np.maximum(0, -t * (x - 3 * y) + 0.2), r)),
        Case(f"cosine_embedding_loss {r}",
             lambda K, x, y, t, r=r: K.cosine_embedding_loss(x, y, t, -0.9, reduction=r),
             [nonzero(3, 4), nonzero(3, 4), SIGNS],
             lambda x, y, t, r=r: ref.reduced(hinge_of_cosine(x, y, t, -0.9), r)),
        Case(f"triplet_margin_loss {r}",
             lambda K, a, p, n, r=r: K.triplet_margin_loss(a, p, n, 5.0, reduction=r),
             [(3, 4), (3, 4), (3, 4)],
             lambda a, p, n, r=r: ref.reduced(triplets(a, p, n, 5.0), r)),
        Case(f"triplet_margin_loss swap {r}",
             lambda K, a, p, n, r=r: K.triplet_margin_loss(a, p, n, 5.0, swap=True, reduction=r),
             [(3, 4), (3, 4), (3, 4)],
             lambda a, p, n, r=r: ref.reduced(triplets(a, p, n, 5.0, True), r)),
        *[Case(f"multi_margin_loss {p} {r}",
               lambda K, x, y, w, p=p, r=r: K.multi_margin_loss(x, y, p, 0.6, w, reduction=r),
               [apart(3, 4), fixed([0, 3, 1]), constant(positive(4))],
               lambda x, y, w, p=p, r=r: ref.reduced(margins(x, y, w, p), r), torch=False)
          for p in (1, 2)],
        Case(f"multilabel_margin_loss {r}",
             lambda K, x, y, r=r: K.multilabel_margin_loss(x, y, reduction=r),
             [(2, 4), fixed([[1, 3, -1, 2], [0, -1, 1, 1]])],
             lambda x, y, r=r: ref.reduced(label_margins(x, ([1, 3], [0])), r), torch=False),
        Case(f"multilabel_soft_margin_loss {r}",
             lambda K, x, t, r=r: K.multilabel_soft_margin_loss(x, t, reduction=r),
             [(2, 3), integers(0, 2, 2, 3)],
             lambda x, t, r=r: ref.reduced(
                 (t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)).mean(1), r)),
        Case(f"gaussian_nll_loss {r}",
             lambda K, x, t, v, r=r: K.gaussian_nll_loss(x, t, v, True, reduction=r),
             [(2, 3), (2, 3), positive(2, 1)],
             lambda x, t, v, r=r: ref.reduced(
                 (np.log(2 * np.pi * v) + (x - t) ** 2 / v) / 2, r)),
        Case(f"poisson_nll_loss {r}",
             lambda K, x, t, r=r: K.poisson_nll_loss(x, t, full=True, reduction=r),
             [(2, 3), constant(fixed([0.0, 1.0, 4.0]))],
             lambda x, t, r=r: ref.reduced(
                 np.exp(x) - t * x + [0, 0, 4 * np.log(4) - 4 + np.log(8 * np.pi) / 2], r)),
        Case(f"ctc_loss {r}",
             lambda K, x, r=r: K.ctc_loss(
                 K.log_softmax(x, 2), *FRAMED, reduction=r), [(4, 3, 3)],
             lambda x, r=r: spelled(x, r), torch=False),
    ]  # fmt: skip
LAYERS += [
    Case("gaussian_nll_loss number", lambda K, x, t: K.gaussian_nll_loss(x, t, 0.5),
         [(2, 3), (2, 3)], lambda x, t: ((np.log(0.5) + (x - t) ** 2 / 0.5) / 2).mean()),
    Case("poisson_nll_loss plain", lambda K, x, t: K.poisson_nll_loss(x, t, log_input=False),
         [positive(2, 3), integers(0, 4, 2, 3)],
         lambda x, t: (x - t * np.log(x + 1e-8)).mean()),
    Case("ctc_loss infinite",
         lambda K, x: K.ctc_loss(K.log_softmax(x, 1), ag.tensor([1, 1]), 2, 2, reduction="none"),
         [(2, 3)], lambda x: np.array(INF), order=0, torch=False),
]  # fmt: skip


def hinge_of_cosine(x: Any, y: Any, t: Any, margin: float) -> Any:
    cos = (x * y).sum(1) / np.linalg.norm(x, 2, 1) / np.linalg.norm(y, 2, 1)
    return np.where(t == 1, 1 - cos, np.maximum(0, cos - margin))


def triplets(a: Any, p: Any, n: Any, margin: float, swap: bool = False) -> Any:
    near, far, across = [np.linalg.norm(x + 1e-6, 2, 1) for x in (a - p, a - n, p - n)]
    return np.maximum(0, near - (np.minimum(far, across) if swap else far) + margin)


def margins(x: Any, y: Any, w: Any, p: int) -> Any:
    return np.array([
        sum(max(0, 0.6 - row[k] + row[i]) ** p for i in range(len(row)) if i != k) * w[k] / len(row)
        for row, k in zip(x, y, strict=True)
    ])  # fmt: skip


def label_margins(x: Any, chosen: Any) -> Any:
    return np.array([
        sum(max(0, 1 - row[j] + row[i]) for j in js for i in range(len(row)) if i not in js)
        / len(row)
        for row, js in zip(x, chosen, strict=True)
    ])  # fmt: skip


def spelled(x: Any, reduction: str) -> Any:
    """By all alignments there are."""
    p = ref.softmax(x, 2)
    losses = []
    for n, (frames, count) in enumerate(zip(FRAMES, COUNTS, strict=True)):
        total = 0.0
        for path in itertools.product(range(3), repeat=frames):
            runs = [k for k, _ in itertools.groupby(path) if k]
            if runs == LABELS[n][:count]:
                total += math.prod(p[t, n, k] for t, k in enumerate(path))
        losses.append(-math.log(total))
    if reduction == "mean":
        return np.mean([loss / max(count, 1) for loss, count in zip(losses, COUNTS, strict=True)])
    return ref.reduced(np.array(losses), reduction)
