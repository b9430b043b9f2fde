"""Losses that ask for a margin: between vectors, between classes, between scores and targets ±1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.ops import elementwise as ew
from pyautograd.ops.activation import logsigmoid
from pyautograd.ops.distance import pairwise_distance
from pyautograd.ops.index import gather
from pyautograd.ops.loss import reduced, same_shape
from pyautograd.ops.order import cumsum
from pyautograd.ops.reduce import sum
from pyautograd.ops.shape import reshape, unsqueeze
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _above_0(x: Tensor) -> Tensor:
    return ew.clamp(x, min=0.0)


# ---- targets 1 and -1 ----------------------------------------------------------------------------


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The input where the target is 1, max(0, margin - input) where it is -1; shapes broadcast."""
    far = ew.where(ew.ne(target, 1), _above_0(ew.sub(margin, input)), 0.0)
    near = ew.where(ew.ne(target, -1), input, 0.0)
    return reduced("hinge_embedding_loss", ew.add(far, near), reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target input)) for targets 1 and -1, without overflow.

    >>> import pyautograd as ag
    >>> ag.nn.functional.soft_margin_loss(ag.tensor([0.0]), ag.tensor([1.0]))
    tensor(0.6931)
    """
    same_shape("soft_margin_loss", input, target)
    loss = ew.softplus(ew.neg(ew.mul(target, input)))
    return reduced("soft_margin_loss", loss, reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, -target (input1 - input2) + margin): target 1 ranks input1 higher, -1 input2."""
    op = "margin_ranking_loss"
    if not input1.ndim == input2.ndim == target.ndim:
        raise ValueError(
            f"{op}: expected as many dimensions in each, got shapes {input1.shape}, "
            f"{input2.shape} and {target.shape}"
        )
    apart = ew.mul(ew.neg(target), ew.sub(input1, input2))
    return reduced(op, _above_0(ew.add(apart, margin)), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(input1, input2) where the target is 1, max(0, cos - margin) where it is -1.

    inputs (N, D) and target (N,), or (D,) and ().
    """
    op = "cosine_embedding_loss"
    same_shape(op, input1, input2)
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ValueError(
            f"{op}: expected inputs (N, D) and target (N,), or (D,) and (), got {input1.shape} "
            f"and {target.shape}"
        )
    squares = [ew.add(sum(ew.square(x), -1), 1e-12) for x in (input1, input2)]
    cos = ew.div(sum(ew.mul(input1, input2), -1), ew.sqrt(ew.mul(*squares)))
    near = ew.where(ew.eq(target, 1), ew.sub(1.0, cos), 0.0)
    far = ew.where(ew.eq(target, -1), _above_0(ew.sub(cos, margin)), 0.0)
    return reduced(op, ew.add(near, far), reduction)


# ---- three vectors -------------------------------------------------------------------------------


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of the difference.

    Vectors (N, D) or (D,). With `swap`, d(positive, negative) counts where it is the smaller one.
    Balntas et al., 2016.

    >>> import pyautograd as ag
    >>> a, p, n = ag.zeros(1, 2), ag.tensor([[0.0, 1.0]]), ag.tensor([[3.0, 4.0]])
    >>> ag.nn.functional.triplet_margin_loss(a, p, n, margin=6.0)
    tensor(2.0000)
    """
    return _triplet(
        "triplet_margin_loss", anchor, positive, negative,
        lambda x, y: pairwise_distance(x, y, p, eps), margin, swap, reduction,
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """As `triplet_margin_loss`, with any distance; `pairwise_distance` unless given."""
    return _triplet(
        "triplet_margin_with_distance_loss", anchor, positive, negative,
        distance_function or pairwise_distance, margin, swap, reduction,
    )  # fmt: skip


def _triplet(
    op: str, anchor: Tensor, positive: Tensor, negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor], margin: float, swap: bool, reduction: str,
) -> Tensor:  # fmt: skip
    if not margin > 0:
        raise ValueError(f"{op}: expected margin above 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            f"{op}: expected as many dimensions in each, got shapes {anchor.shape}, "
            f"{positive.shape} and {negative.shape}"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ew.minimum(far, distance(positive, negative))
    return reduced(op, _above_0(ew.sub(ew.add(near, margin), far)), reduction)


# ---- classes -------------------------------------------------------------------------------------


def _scores(op: str, input: Tensor, target: Tensor, several: bool) -> tuple[Tensor, Tensor]:
    """(N, C) and (N,), or with `several` (N, C), from these or from those without N."""
    if input.ndim == 1:
        input, target = unsqueeze(input, 0), unsqueeze(target, 0)
    if input.ndim != 2 or not input.shape[1]:
        raise ValueError(f"{op}: expected input (N, C) or (C,), got shape {input.shape}")
    expected = input.shape if several else input.shape[:1]
    if target.shape != expected:
        raise ValueError(
            f"{op}: expected a target of shape {expected} for input {input.shape}, got "
            f"{target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected class numbers of an integer dtype, got {target.dtype}")
    return input, target.to(np.int64)


def _hinges(input: Tensor, chosen: Tensor, margin: float) -> Tensor:
    """max(0, margin - x[chosen] + x[i]): (N, K, C), for chosen classes (N, K)."""
    own = unsqueeze(gather(input, 1, chosen), 2)
    return _above_0(ew.add(ew.sub(margin, own), unsqueeze(input, 1)))


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over the classes i other than y of max(0, margin - x[y] + x[i])^p, over their number.

    input (N, C) or (C,), target classes y (N,) or (). `p` is 1 or 2; weight (C,) scales by y.
    """
    op = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{op}: p is 1 or 2, got {p}")
    x, y = _scores(op, input, target, False)
    count = x.shape[1]
    chosen = unsqueeze(y, 1)
    hinges = reshape(_hinges(x, chosen, margin), x.shape)
    if p == 2:
        hinges = ew.square(hinges)
    if weight is not None:
        if weight.shape != (count,):
            raise ValueError(f"{op}: expected a weight of shape ({count},), got {weight.shape}")
        hinges = ew.mul(hinges, weight.detach()[chosen])
    others = ew.ne(chosen, wrap(np.arange(count)))
    loss = ew.div(sum(ew.where(others, hinges, 0.0), 1), float(count))
    return reduced(op, loss if input.ndim == 2 else reshape(loss, ()), reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """sum of max(0, 1 - x[j] + x[i]) over target classes j and other classes i, over C.

    input (N, C) or (C,); target, in the same shape, begins with the classes, and the first -1 ends
    them.
    """
    op = "multilabel_margin_loss"
    x, y = _scores(op, input, target, True)
    count = x.shape[1]
    counts = ew.eq(cumsum(ew.lt(y, 0).to(np.int64), 1), 0)  # what stands before the first -1
    chosen = ew.where(counts, y, 0).to(np.int64)
    meant = ew.mul(
        ew.eq(unsqueeze(chosen, 2), wrap(np.arange(count))).to(x.dtype),
        unsqueeze(counts, 2).to(x.dtype),
    )
    others = unsqueeze(ew.eq(sum(meant, 1), 0.0), 1)  # (N, 1, C)
    hinges = ew.where(others, _hinges(x, chosen, 1.0), 0.0)
    hinges = ew.where(unsqueeze(counts, 2), hinges, 0.0)
    loss = ew.div(sum(hinges, (1, 2)), float(count))
    return reduced(op, loss if input.ndim == 2 else reshape(loss, ()), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of -(t log s(x) + (1 - t) log s(-x)), s the sigmoid.

    input and target (N, C), or any (..., C); `weight` scales the elements, and broadcasts.
    """
    op = "multilabel_soft_margin_loss"
    same_shape(op, input, target)
    if not input.ndim:
        raise ValueError(f"{op}: expected input (..., C), got a scalar")
    positive = ew.mul(target, logsigmoid(input))
    loss: Any = ew.neg(ew.add(positive, ew.mul(ew.sub(1.0, target), logsigmoid(ew.neg(input)))))
    if weight is not None:
        loss = ew.mul(loss, weight)
    return reduced(op, ew.div(sum(loss, -1), float(input.shape[-1])), reduction)
