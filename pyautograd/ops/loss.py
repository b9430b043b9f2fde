"""Losses, composed of ops; names, arguments and defaults as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import has_values, primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.index import gather
from pyautograd.ops.reduce import mean, sum
from pyautograd.ops.shape import reshape
from pyautograd.ops.softmax import log_softmax
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def reduced(op: str, loss: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of the elements' losses, or these; ValueError for another word."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{op}: reduction is mean, sum or none, got {reduction!r}")


def same_shape(op: str, input: Tensor, target: Tensor) -> None:
    """ValueError unless the shapes agree."""
    if input.shape != target.shape:
        raise ValueError(f"{op}: input of shape {input.shape}, target of shape {target.shape}")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(input - target)^2."""
    same_shape("mse_loss", input, target)
    return reduced("mse_loss", ew.square(ew.sub(input, target)), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|input - target|."""
    same_shape("l1_loss", input, target)
    return reduced("l1_loss", ew.abs(ew.sub(input, target)), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere, d = input - target.

    Huber, 1964.
    """
    same_shape("huber_loss", input, target)
    if not delta > 0:
        raise ValueError(f"huber_loss: expected delta above 0, got {delta}")
    d = ew.sub(input, target)
    size = ew.abs(d)
    far = ew.mul(ew.sub(size, 0.5 * delta), delta)
    return reduced(
        "huber_loss", ew.where(ew.lt(size, delta), ew.mul(ew.square(d), 0.5), far), reduction
    )


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere, d = input - target.

    With beta 0, |d|. Girshick, 2015.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: expected beta of at least 0, got {beta}")
    if not beta:
        return l1_loss(input, target, reduction)
    same_shape("smooth_l1_loss", input, target)
    d = ew.sub(input, target)
    size = ew.abs(d)
    near = ew.mul(ew.square(d), 0.5 / beta)
    loss = ew.where(ew.lt(size, beta), near, ew.sub(size, 0.5 * beta))
    return reduced("smooth_l1_loss", loss, reduction)


def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log(target) - input), for log-probabilities `input`; 0 where the target is 0.

    With `log_target` the target is a logarithm too. `reduction` may also be "batchmean": the sum
    over the size of dimension 0. Shapes broadcast.
    """
    if log_target:
        loss = ew.mul(ew.exp(target), ew.sub(target, input))
    else:
        nothing = ew.eq(target, 0.0)
        self_part = ew.mul(target, ew.log(ew.where(nothing, 1.0, target)))
        loss = ew.sub(self_part, ew.mul(target, input))
    if reduction == "batchmean":
        return ew.div(sum(loss), input.shape[0] if input.ndim else 1)
    return reduced("kl_div", loss, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(t log(p) + (1 - t) log(1 - p)) for probabilities p; logarithms are at least -100.

    Raises ValueError for values outside [0, 1]. `weight` scales the elements, and broadcasts.
    """
    op = "binary_cross_entropy"
    same_shape(op, input, target)
    if has_values(input) and input.numel():
        low, high = input._array.min(), input._array.max()
        if low < 0 or high > 1:
            raise ValueError(
                f"{op}: expected probabilities in [0, 1], got {low if low < 0 else high}"
            )
    rest = ew.sub(1.0, target)
    logs = [_log_from_100(x) for x in (input, ew.sub(1.0, input))]
    loss = ew.neg(ew.add(ew.mul(target, logs[0]), ew.mul(rest, logs[1])))
    return reduced(op, loss if weight is None else ew.mul(loss, weight), reduction)


def _log_from_100(p: Tensor) -> Tensor:
    """log(p), at least -100; no gradient where the bound holds."""
    small = ew.lt(p, 3.8e-44)
    return ew.where(small, -100.0, ew.log(ew.where(small, 1.0, p)))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(p t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, p = pos_weight; without overflow.

    Computed as (1 - t) x + (1 + (p - 1) t) softplus(-x).
    """
    op = "binary_cross_entropy_with_logits"
    same_shape(op, input, target)
    rest = ew.mul(ew.sub(1.0, target), input)
    tail = ew.softplus(ew.neg(input))
    if pos_weight is not None:
        tail = ew.mul(ew.add(ew.mul(ew.sub(pos_weight, 1.0), target), 1.0), tail)
    loss = ew.add(rest, tail)
    return reduced(op, loss if weight is None else ew.mul(loss, weight), reduction)


def _classes(
    op: str, input: Tensor, target: Tensor, ignore_index: int
) -> tuple[Tensor, Tensor | None]:
    """Target classes with 0 for the ignored ones; where classes are to be counted, None for all."""
    n_classes = input.shape[1]
    if target.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected class numbers of an integer dtype, got {target.dtype}")
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise ValueError(
            f"{op}: expected a target of shape {expected} for input {input.shape}, "
            f"got {target.shape}"
        )
    if not has_values(target):  # no values to look at: gather checks the range
        counted = ew.ne(target, ignore_index)
        return ew.where(counted, target, 0).long(), counted
    classes = target._array.astype(np.int64, copy=False)
    counted = classes != ignore_index
    if not counted.all():
        classes = np.where(counted, classes, 0)
    if classes.size and not (classes.min() >= 0 and classes.max() < n_classes):
        bad = classes.min() if classes.min() < 0 else classes.max()
        raise IndexError(f"{op}: class {bad} is out of range for {n_classes} classes")
    return wrap(classes), None if counted.all() else wrap(counted)


def _class_weights(op: str, input: Tensor, weight: Tensor | None) -> Tensor | None:
    if weight is not None and weight.shape != (input.shape[1],):
        raise ValueError(
            f"{op}: expected a weight of shape ({input.shape[1]},), got {weight.shape}"
        )
    return None if weight is None else weight.detach()


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-weight[c] input[c] for the target class c of each sample.

    input: log-probabilities (N, C, ...) or (C,); target: class numbers (N, ...) or ().
    The mean is weighted: over the sum of the weights of the classes met. Samples of the class
    `ignore_index` count nowhere.
    """
    op = "nll_loss"
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: reduction is mean, sum or none, got {reduction!r}")
    if input.ndim == 1:
        loss = nll_loss(input.reshape(1, -1), target.reshape(1), weight, ignore_index, reduction)
        return loss.reshape(()) if reduction == "none" else loss
    if input.ndim == 0:
        raise ValueError(f"{op}: expected input (N, C, ...), got shape {input.shape}")
    classes, counted = _classes(op, input, target, ignore_index)
    _class_weights(op, input, weight)
    loss = reshape(ew.neg(gather(input, 1, classes.unsqueeze(1))), classes.shape)
    share = None if weight is None else weight.detach()[classes]
    if share is not None:
        loss = ew.mul(loss, share)
    if counted is not None:  # where, not a product: what is ignored may be infinite
        loss = ew.where(counted, loss, 0.0)
        ones = counted.to(input.dtype)
        share = ones if share is None else ew.mul(share, ones)
    if reduction == "mean" and share is not None:
        return ew.div(sum(loss), sum(share))
    return reduced(op, loss, reduction)


def _per_class(weights: Tensor, input: Tensor) -> Tensor:
    """Weights (C,) as (1, C, 1, ...) beside input (N, C, ...)."""
    return reshape(weights, (1, -1, *(1,) * (input.ndim - 2)))


# ---- cross-entropy of classes, in one pass over the logits ---------------------------------------

# What the forward pass leaves beside the loss: arrays of the targets' shape, in one. Here the rules
# need two of them: the factor of the target's logit, and that of every logit.
_PULL, _SPREAD = 2, 3


def _cross_entropy_grad_rule(K: Any, u: Any, saved: Any, needs: Any) -> Any:
    """Of d = g (a p - target), p = softmax(x): sum(u d / g), and g a p (u - sum(u p)).

    a = pull + spread sum(weight) is what all targets of a sample come to. No g counts as 1.
    """
    g, x, classes, weight, stats = saved
    gg = gx = None
    if needs[0] is not None:
        slope = K.cross_entropy_grad(None, x, classes, weight, stats)
        dims = (1,) if g.shape else tuple(range(len(x.shape)))
        gg = K.sum(K.mul(u, slope), dims, False, 1.0)
    if needs[1] is not None:
        weights = float(x.shape[1]) if weight is None else K.sum(weight, (0,), False, 1.0)
        a = K.add(K.slice(stats, (_PULL, ...)), K.mul(K.slice(stats, (_SPREAD, ...)), weights))
        ga = K.reshape(a if g is None else K.mul(a, g), (x.shape[0], 1, *x.shape[2:]))
        gx = K.softmax_grad(K.mul(u, ga), K.softmax(x, 1), 1)
    return gg, gx, None, None, None


# cross_entropy(x, classes, weight, ignore_index, reduction, smoothing) -> (loss, stats)
_cross_entropy = primitive(
    "cross_entropy",
    "normalisation",
    _C.cross_entropy,
    lambda K, g, saved, needs, *attrs: (K.cross_entropy_grad(g, *saved), None, None),
    lambda x, classes, weight, ignore_index, reduction, smoothing: (
        classes.shape if reduction == "none" else (),
        x.dtype,
    ),
    saves=(0, 1, 2, OUT - 1),
    inputs=3,
    fresh=True,
)
# cross_entropy_grad(g, x, classes, weight, stats), g of the loss's shape or None for 1
primitive(
    "cross_entropy_grad",
    "normalisation",
    _C.cross_entropy_grad,
    _cross_entropy_grad_rule,
    lambda g, x, classes, weight, stats: (x.shape, x.dtype),
    saves=(0, 1, 2, 3, 4),
    inputs=5,
    fresh=True,
)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of softmax(input) against classes: nll_loss(log_softmax(input), target).

    input: logits (N, C, ...) or (C,). target: class numbers (N, ...) or (), or probabilities in
    the shape of the input. `weight` (C,) and `ignore_index` as in nll_loss. With label smoothing
    s, the target is 1 - s of the class and s spread over all classes (Szegedy et al., 2016).
    Raises IndexError for a class that is not among the C.

    >>> import pyautograd as ag
    >>> ag.nn.functional.cross_entropy(ag.zeros(1, 4), ag.tensor([2]))
    tensor(1.3863)
    """
    if not input.ndim:
        raise ValueError("cross_entropy: expected input (N, C, ...) or (C,), got a scalar")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing lies in [0, 1], got {label_smoothing}")
    if target.dtype.kind != "f":
        one = input.ndim == 1
        if one:
            input, target = reshape(input, (1, -1)), reshape(target, (1,))
        if weight is not None:
            weight = weight.detach()
        loss, _ = _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
        return reshape(loss, ()) if one and reduction == "none" else loss
    same_shape("cross_entropy", input, target)
    dim = 0 if input.ndim == 1 else 1
    log_p = log_softmax(input, dim)
    if label_smoothing:
        target = ew.add(ew.mul(target, 1.0 - label_smoothing), label_smoothing / input.shape[dim])
    share = ew.mul(target, log_p)
    weights = _class_weights("cross_entropy", input if dim else input.reshape(1, -1), weight)
    if weights is not None:
        share = ew.mul(share, _per_class(weights, input) if dim else weights)
    loss = ew.neg(sum(share, dim))
    if reduction == "mean":
        samples = input.numel() // input.shape[dim] if input.shape[dim] else 0
        return ew.div(sum(loss), samples or float("nan"))
    return reduced("cross_entropy", loss, reduction)
