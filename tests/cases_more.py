"""Rows of the table of ops: order, movement, scattering, einsum, embedding, attention, losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import references as ref
from case import NAN, Case, apart, constant, fixed, integers, mask, nonzero, op, positive

MORE: list[Case] = []


def sorted_along(x: Any, dim: int, descending: bool = False) -> Any:
    where = np.argsort(-x if descending else x, dim, kind="stable")
    return np.take_along_axis(x, where, dim), where


# ---- order ---------------------------------------------------------------------------------------

MORE += [
    *[Case(f"sort {dim} {descending}",
           lambda K, x, d=dim, r=descending: tuple(K.sort(x, d, r)), [apart(3, 4, 2)],
           lambda x, d=dim, r=descending: sorted_along(x, d, r), large=[apart(30, 40, 50)])
      for dim in (0, 1, -1) for descending in (False, True)],
    Case("sort equal", lambda K, x: tuple(K.sort(x, 0, True)), [fixed([1.0, 2.0, 1.0, 2.0])],
         lambda x: sorted_along(x, 0, True), smooth=False, torch=False),
    Case("sort NaN", lambda K, x: (K.sort(x)[0], K.sort(x, descending=True)[0]),
         [fixed([1.0, NAN, -1.0])],
         lambda x: (np.array([-1.0, 1.0, NAN]), np.array([NAN, 1.0, -1.0])), order=0),
    Case("sort 0-d", lambda K, x: tuple(K.sort(x)), [()], lambda x: (x, np.zeros((), np.int64))),
    Case("sort empty", lambda K, x: tuple(K.sort(x, 1)), [(2, 0)],
         lambda x: (x, np.zeros((2, 0), np.int64))),
    Case("argsort", lambda K, x: (K.argsort(x), K.argsort(x, 0, True)), [apart(3, 4)],
         lambda x: (np.argsort(x), np.argsort(-x, 0)), order=0),
    Case("topk", lambda K, x: tuple(K.topk(x, 2, 1)), [apart(3, 4)],
         lambda x: tuple(a[:, :2] for a in sorted_along(x, 1, True)), large=[apart(300, 200)]),
    Case("topk smallest", lambda K, x: tuple(K.topk(x, 2, 0, largest=False)), [apart(3, 4)],
         lambda x: tuple(a[:2] for a in sorted_along(x, 0))),
    *[Case(f"cumsum {dim}", lambda K, x, d=dim: K.cumsum(x, d), [(2, 3, 4)],
           lambda x, d=dim: np.cumsum(x, d), large=[(30, 40, 50)]) for dim in (0, 1, -1)],
    Case("cumsum integers", lambda K, x: K.cumsum(x, 0), [integers(0, 5, 4)], np.cumsum, order=0),
    Case("cumsum mask", lambda K, x: K.cumsum(x, 0), [mask(4)], np.cumsum, order=0),
    Case("cumsum 0-d", lambda K, x: K.cumsum(x, 0), [()], np.copy),
    Case("cumsum empty", lambda K, x: K.cumsum(x, 0), [(0, 2)], np.copy),
]  # fmt: skip

# ---- rearranging ---------------------------------------------------------------------------------

MORE += [
    Case("repeat", lambda K, x: x.repeat(2, 1, 3), [(2, 3)], lambda x: np.tile(x, (2, 1, 3)),
         large=[(200, 300)]),
    Case("repeat none", lambda K, x: x.repeat(0, 2), [(2, 3)], lambda x: np.tile(x, (0, 2))),
    Case("tile", lambda K, x: (K.tile(x, (2,)), K.tile(x, (2, 1, 2))), [(2, 3)],
         lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 2)))),
    Case("repeat_interleave", lambda K, x: (K.repeat_interleave(x, 2),
                                            K.repeat_interleave(x, 3, 1)), [(2, 3)],
         lambda x: (np.repeat(x, 2), np.repeat(x, 3, 1))),
    Case("roll", lambda K, x: (K.roll(x, 1), K.roll(x, -2, 1), K.roll(x, (1, 5), (0, 1))), [(3, 4)],
         lambda x: (np.roll(x, 1), np.roll(x, -2, 1), np.roll(x, (1, 5), (0, 1)))),
    Case("roll empty", lambda K, x: K.roll(x, 1, 0), [(0, 2)], np.copy),
    *[Case(f"{name} {k}", lambda K, x, n=name, k=k: getattr(K, n)(x, k), [(2, 3, 4)],
           lambda x, n=name, k=k: getattr(np, n)(x, k))
      for name in ("tril", "triu") for k in (-1, 0, 2)],
    *[Case(f"diagonal {k}", lambda K, x, k=k: K.diagonal(x, k, 0, 2), [(3, 2, 4)],
           lambda x, k=k: np.diagonal(x, k, 0, 2)) for k in (-1, 0, 2)],
]  # fmt: skip

# ---- scattering ----------------------------------------------------------------------------------


def put(x: Any, index: Any, source: Any, dim: int, add: bool = False) -> Any:
    x = x.copy()
    for place in np.ndindex(index.shape):
        at = (*place[:dim], index[place], *place[dim + 1 :])
        x[at] = source[place] + (x[at] if add else 0)
    return x


DISTINCT = fixed([[2, 0], [1, 3], [0, 1]])
MORE += [
    Case("scatter", lambda K, x, i, s: K.scatter(x, 1, i, s), [(3, 4), DISTINCT, (3, 2)],
         lambda x, i, s: put(x, i, s, 1)),
    Case("scatter larger source", lambda K, x, i, s: x.scatter(0, i, s),
         [(4, 3), fixed([[2, 0], [1, 3]]), (3, 3)], lambda x, i, s: put(x, i, s, 0),
         torch=False),  # which has no gradient of it
    Case("scatter number", lambda K, x, i: K.scatter(x, -1, i, 0.5), [(3, 4), DISTINCT],
         lambda x, i: put(x, i, np.full(i.shape, 0.5), 1)),
    Case("scatter repeated", lambda K, x, i: K.scatter(x, 0, i, 2.0), [(4,), fixed([1, 1, 3])],
         lambda x, i: put(x, i, np.full(i.shape, 2.0), 0)),
    Case("scatter empty", lambda K, x, i, s: K.scatter(x, 0, i, s), [(3,), integers(0, 3, 0), (0,)],
         lambda x, i, s: x.copy()),
    Case("scatter_add", lambda K, x, i, s: K.scatter_add(x, 1, i, s),
         [(3, 4), integers(0, 4, 3, 6), (3, 6)], lambda x, i, s: put(x, i, s, 1, True),
         large=[(300, 40), integers(0, 40, 300, 60), (300, 60)]),
    Case("take_along_dim", lambda K, x, i: K.take_along_dim(x, i, 1),
         [(3, 4), integers(0, 4, 1, 2)],
         lambda x, i: np.take_along_axis(x, np.broadcast_to(i, (3, 2)), 1)),
    Case("take_along_dim flat", lambda K, x, i: K.take_along_dim(x, i),
         [(3, 4), integers(0, 12, 5)],
         lambda x, i: x.reshape(-1)[i]),
]  # fmt: skip

# ---- einsum, norms -------------------------------------------------------------------------------

for equation, shapes in (
    ("ij,jk->ik", ((2, 3), (3, 4))), ("ij,jk", ((2, 3), (3, 4))), ("i,j->ij", ((2,), (3,))),
    ("ij->ji", ((2, 3),)), ("ij->", ((2, 3),)), ("ij->j", ((2, 3),)), ("ii->i", ((3, 3),)),
    ("ii", ((3, 3),)), ("bij,bjk->bik", ((2, 2, 3), (2, 3, 2))), ("i,i", ((3,), (3,))),
    ("bhqd,bhkd->bhqk", ((2, 2, 3, 2), (2, 2, 2, 2))), ("...ij,...jk->...ik", ((4, 2, 3), (3, 2))),
    ("i...->...", ((2, 3, 2),)), ("ij,kj,kl->il", ((2, 3), (2, 3), (2, 2))),
    ("ij,ij->ij", ((2, 3),) * 2), ("ijk,k->ji", ((2, 3, 4), (4,))), ("ij,k->i", ((2, 3), (4,))),
    ("a,b,c->cab", ((2,), (3,), (2,))),
    (" i j , j -> i ", ((2, 3), (3,))), ("iij,j->i", ((2, 2, 3), (3,))), ("ba", ((2, 3),)),
):  # fmt: skip
    MORE.append(
        Case(f"einsum {equation}", lambda K, *xs, e=equation: K.einsum(e, *xs), list(shapes),
             lambda *xs, e=equation: np.einsum(e, *xs))
    )  # fmt: skip
MORE += [
    Case("outer", op("outer"), [(3,), (2,)], np.outer),
    *[Case(f"vector_norm {p}", lambda K, x, p=p: K.linalg.vector_norm(x, p, 1), [nonzero(3, 4)],
           lambda x, p=p: np.linalg.norm(x, p, 1))
      for p in (2, 1, 3, 0.5)],
    Case("vector_norm 0", lambda K, x: K.linalg.vector_norm(x, 0, 1), [fixed([[0.0, 2.0, -1.0]])],
         lambda x: np.array([2.0]), order=0),
    *[Case(f"vector_norm {p}", lambda K, x, p=p: K.linalg.vector_norm(x, p, 1), [apart(3, 4)],
           lambda x, p=p: np.linalg.norm(x, p, 1)) for p in (np.inf, -np.inf)],
    Case("vector_norm keepdim", lambda K, x: K.linalg.vector_norm(x, dim=(0, 2), keepdim=True),
         [(2, 3, 2)], lambda x: np.sqrt((x * x).sum((0, 2), keepdims=True)),
         large=[(70, 30, 80)]),
    Case("norm", lambda K, x: (K.norm(x), x.norm(1, 0), x.norm(dim=1, keepdim=True)),
         [nonzero(3, 4)],
         lambda x: (np.linalg.norm(x), np.abs(x).sum(0), np.linalg.norm(x, 2, 1, True))),
    Case("norm of zeros", lambda K, x: K.norm(x, dim=1), [fixed([[0.0, 0.0], [3.0, 4.0]])],
         lambda x: np.array([0.0, 5.0]), smooth=False, order=1),
]  # fmt: skip

# ---- embedding, attention ------------------------------------------------------------------------


def attention(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if causal:
        mask = np.tri(*s.shape[-2:], dtype=bool)
    if mask is not None:
        s = np.where(mask, s, -1e300) if mask.dtype == bool else s + mask
    return ref.softmax(s, -1) @ v


Q, KEY, V = (2, 3, 4), (2, 5, 4), (2, 5, 2)
LARGE = [(6, 70, 16), (6, 90, 16), (6, 90, 24)]
MORE += [
    Case("embedding", op("embedding"), [integers(0, 5, 2, 3), (5, 4)], lambda i, w: w[i],
         large=[integers(0, 50, 40, 30), (50, 60)]),
    Case("embedding padding", lambda K, i, w: K.embedding(i, w, padding_idx=-2),
         [fixed([[3, 1], [3, 3]]), (5, 4)], lambda i, w: w[i], smooth=False),
    Case("embedding 0-d", op("embedding"), [fixed(2), (5, 4)], lambda i, w: w[i]),
    Case("embedding empty", op("embedding"), [integers(0, 5, 0), (5, 4)], lambda i, w: w[i],
         torch=False),
    Case("attention", op("scaled_dot_product_attention"), [Q, KEY, V], attention, large=LARGE),
    Case("attention causal", lambda K, q, k, v: K.scaled_dot_product_attention(
        q, k, v, is_causal=True), [Q, KEY, V], lambda q, k, v: attention(q, k, v, None, True)),
    Case("attention mask", op("scaled_dot_product_attention"),
         [Q, KEY, V, fixed([[True, False, True, True, False]] * 3)], attention),
    Case("attention added", op("scaled_dot_product_attention"), [Q, KEY, V, (3, 5)], attention),
    Case("attention scale", lambda K, q, k, v: K.scaled_dot_product_attention(q, k, v, scale=0.3),
         [Q, KEY, V], lambda q, k, v: attention(q * 0.6, k, v)),
    Case("attention no key",
         lambda K, q, k, v, m: K.scaled_dot_product_attention(q, k, v, m),
         [Q, KEY, V, fixed(np.array([[True] * 5, [False] * 5, [False, True] * 2 + [False]]))],
         lambda q, k, v, m: attention(q, k, v, m) * m.any(-1, keepdims=True)),
]  # fmt: skip

# ---- losses --------------------------------------------------------------------------------------


def huber(x: Any, y: Any, delta: float = 1.0) -> Any:
    d = np.abs(x - y)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def bce(p: Any, t: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


SHARES = fixed([[0.1, 0.8], [0.5, 0.3]])
PARTS = constant(fixed([[0.0, 1.0], [0.25, 0.75]]))
for r in ("mean", "sum", "none"):
    MORE += [
        Case(f"huber_loss {r}", lambda K, x, y, r=r: K.huber_loss(x, y * 3 + 0.01, r, 0.7),
             [apart(3, 4), apart(3, 4)],
             lambda x, y, r=r: ref.reduced(huber(x, y * 3 + 0.01, 0.7), r)),
        Case(f"smooth_l1_loss {r}",
             lambda K, x, y, r=r: K.smooth_l1_loss(x, y * 3 + 0.01, reduction=r, beta=0.7),
             [apart(3, 4), apart(3, 4)],
             lambda x, y, r=r: ref.reduced(huber(x, y * 3 + 0.01, 0.7) / 0.7, r)),
        Case(f"kl_div {r}", lambda K, x, t, r=r: K.kl_div(x, t, reduction=r), [(2, 2), PARTS],
             lambda x, t, r=r: ref.reduced(t * (np.log(np.where(t > 0, t, 1)) - x), r)),
        Case(f"binary_cross_entropy {r}",
             lambda K, x, t, r=r: K.binary_cross_entropy(x, t, reduction=r), [SHARES, PARTS],
             lambda x, t, r=r: ref.reduced(bce(x, t), r), torch=False),  # its slope has eps in it
    ]  # fmt: skip
MORE += [
    Case("smooth_l1_loss 0", lambda K, x, y: K.smooth_l1_loss(x, y + 0.01, beta=0.0),
         [apart(3), apart(3)], lambda x, y: np.abs(x - y - 0.01).mean()),
    Case("kl_div log", lambda K, x, t: K.kl_div(x, t, reduction="batchmean", log_target=True),
         [(2, 3), (2, 3)], lambda x, t: (np.exp(t) * (t - x)).sum() / 2),
    Case("kl_div target", lambda K, x, t: K.kl_div(x, t, reduction="sum"), [(2, 3), positive(2, 3)],
         lambda x, t: (t * (np.log(t) - x)).sum()),
    Case("binary_cross_entropy weight", lambda K, x, t, w: K.binary_cross_entropy(x, t, w),
         [SHARES, PARTS, constant(positive(2))], lambda x, t, w: (w * bce(x, t)).mean(),
         torch=False),
    Case("binary_cross_entropy sure",
         lambda K, x, t: K.binary_cross_entropy(x, t, reduction="none"),
         [constant(fixed([0.0, 1.0, 0.0])), constant(fixed([1.0, 1.0, 0.0]))],
         lambda x, t: np.array([100.0, 0.0, 0.0]), order=0),
    Case("normalize", lambda K, x: K.normalize(x, dim=1), [nonzero(3, 4)],
         lambda x: x / np.linalg.norm(x, 2, 1, True)),
    Case("normalize 1", lambda K, x: K.normalize(x, 1.0, 0), [nonzero(3, 4)],
         lambda x: x / np.abs(x).sum(0)),
    Case("normalize zeros", lambda K, x: K.normalize(x), [fixed([[0.0, 0.0], [3.0, 4.0]])],
         lambda x: np.array([[0.0, 0.0], [0.6, 0.8]]), order=0),
    Case("cosine_similarity", lambda K, x, y: K.cosine_similarity(x, y),
         [nonzero(3, 4), nonzero(3, 4)],
         lambda x, y: (x * y).sum(1) / np.linalg.norm(x, 2, 1) / np.linalg.norm(y, 2, 1)),
    Case("cosine_similarity broadcast", lambda K, x, y: K.cosine_similarity(x, y, dim=-1),
         [nonzero(3, 4), nonzero(4)],
         lambda x, y: x @ y / np.linalg.norm(x, 2, 1) / np.linalg.norm(y)),
]  # fmt: skip
