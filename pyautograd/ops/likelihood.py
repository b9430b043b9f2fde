"""Losses that are negative log-likelihoods: of normal and Poisson numbers, of label sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd.op import has_values
from pyautograd.ops import elementwise as ew
from pyautograd.ops.create import full_like
from pyautograd.ops.index import gather
from pyautograd.ops.loss import reduced
from pyautograd.ops.reduce import mean
from pyautograd.ops.shape import pad, reshape, stack, unsqueeze
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "ctc_loss",
    "gaussian_nll_loss",
    "poisson_nll_loss",
]


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(v) + (input - target)^2 / v) / 2, v = max(var, eps): targets normal around the input.

    `var`: in the input's shape, without its last dimension, with one dimension of size 1, or a
    number. `full` adds log(2 pi) / 2. The bound eps does not stop the gradient of var.
    """
    op = "gaussian_nll_loss"
    v: Any = full_like(input, float(var)) if isinstance(var, (int, float)) else var
    if v.shape != input.shape:
        if v.shape == input.shape[:-1]:
            v = unsqueeze(v, -1)
        elif v.ndim != input.ndim or [
            m for n, m in zip(input.shape, v.shape, strict=True) if n != m
        ] != [1]:
            raise ValueError(f"{op}: var of shape {v.shape} does not belong to input {input.shape}")
    if has_values(v) and v.numel() and v._array.min() < 0:
        raise ValueError(f"{op}: var has negative values, such as {v._array.min()}")
    v = ew.add(v, ew.sub(ew.clamp(v, min=eps), v).detach())
    loss = ew.mul(ew.add(ew.log(v), ew.div(ew.square(ew.sub(input, target)), v)), 0.5)
    if full:
        loss = ew.add(loss, 0.5 * math.log(2.0 * math.pi))
    return reduced(op, loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target input: targets of a Poisson distribution with mean exp(input).

    Without `log_input` the input is the mean itself: input - target log(input + eps). `full` adds
    Stirling's t log(t) - t + log(2 pi t) / 2 for targets t above 1.
    """
    if log_input:
        loss = ew.sub(ew.exp(input), ew.mul(target, input))
    else:
        loss = ew.sub(input, ew.mul(target, ew.log(ew.add(input, eps))))
    if full:
        large = ew.gt(target, 1)
        t = ew.where(large, target, 1.0)
        half = ew.mul(ew.log(ew.mul(t, 2.0 * math.pi)), 0.5)
        stirling = ew.add(ew.sub(ew.mul(t, ew.log(t)), t), half)
        loss = ew.add(loss, ew.where(large, stirling, 0.0))
    return reduced("poisson_nll_loss", loss, reduction)


# ---- connectionist temporal classification -------------------------------------------------------

_NEVER = -1e30  # log(0), but finite: no NaN comes of it


def _lengths(op: str, name: str, lengths: Any, batch: int) -> Any:
    given = lengths.numpy() if isinstance(lengths, Tensor) else np.asarray(lengths)
    given = given.reshape(-1) if given.ndim == 0 else given
    if given.shape != (batch,) or given.dtype.kind not in "iu" or given.min(initial=0) < 0:
        raise ValueError(
            f"{op}: expected {name} as {batch} integers of at least 0, got {given.tolist()}"
        )
    return given.astype(np.int64)


def _padded(op: str, targets: Tensor, lengths: Any, classes: int, blank: int) -> Any:
    """Labels (N, S), the rest of each row blank."""
    given = targets.numpy()
    if given.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected labels of an integer dtype, got {given.dtype}")
    longest = int(lengths.max(initial=0))
    if given.ndim == 1:
        if given.size < lengths.sum():
            raise ValueError(
                f"{op}: target_lengths add up to {lengths.sum()}, there are {given.size} labels"
            )
        ends = np.cumsum(lengths)
        rows = [given[end - n : end] for end, n in zip(ends, lengths, strict=True)]
    elif given.ndim == 2 and len(given) == len(lengths) and given.shape[1] >= longest:
        rows = [row[:n] for row, n in zip(given, lengths, strict=True)]
    else:
        raise ValueError(
            f"{op}: expected targets ({len(lengths)}, at least {longest}) or all labels in one "
            f"row, got shape {given.shape}"
        )
    labels = np.full((len(lengths), longest), blank, np.int64)
    for out, row in zip(labels, rows, strict=True):
        if len(row) and (row.min() < 0 or row.max() >= classes or (row == blank).any()):
            raise ValueError(
                f"{op}: labels are classes below {classes} other than blank={blank}, got "
                f"{row.tolist()}"
            )
        out[: len(row)] = row
    return labels


def _log_sum(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """log(exp(a) + exp(b) + exp(c))."""
    top = ew.maximum(ew.maximum(a, b), c).detach()
    total = ew.add(ew.add(ew.exp(ew.sub(a, top)), ew.exp(ew.sub(b, top))), ew.exp(ew.sub(c, top)))
    return ew.add(top, ew.log(total))


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that the frames spell the target, by any alignment.

    An alignment gives each frame a class; repeated classes count once, then blanks go. log_probs
    (T, N, C) or (T, C): log-probabilities by frame. targets (N, S), or all labels one after the
    other; lengths: of each sample. The mean is over the batch, of each loss over its target's
    length. A target that does not fit into its frames has an infinite loss, or 0 with
    `zero_infinity`. Sums over alignments run over the frames in order. Graves et al., 2006.

    >>> import pyautograd as ag
    >>> frames = ag.zeros(2, 1, 2).log_softmax(2)  # two frames, blank and one label, equally likely
    >>> ag.nn.functional.ctc_loss(frames, ag.tensor([[1]]), [2], [1])  # -log(3/4)
    tensor(0.2877)
    """
    op = "ctc_loss"
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: reduction is mean, sum or none, got {reduction!r}")
    if log_probs.ndim not in (2, 3) or not log_probs.shape[0]:
        raise ValueError(
            f"{op}: expected log_probs (T, N, C) or (T, C), got shape {log_probs.shape}"
        )
    if not 0 <= blank < log_probs.shape[-1]:
        raise ValueError(f"{op}: blank {blank} is no class of {log_probs.shape[-1]}")
    x = unsqueeze(log_probs, 1) if log_probs.ndim == 2 else log_probs
    frames, batch, classes = x.shape
    times = _lengths(op, "input_lengths", input_lengths, batch)
    counts = _lengths(op, "target_lengths", target_lengths, batch)
    if times.max(initial=0) > frames or times.min(initial=1) < 1:
        raise ValueError(f"{op}: expected input_lengths from 1 to {frames}, got {times.tolist()}")
    loss = _alignments(x, times, counts, _padded(op, targets, counts, classes, blank), blank)
    never = ew.gt(loss, -0.5 * _NEVER)
    loss = ew.where(never, 0.0 if zero_infinity else math.inf, loss)
    if reduction == "mean":
        return mean(ew.div(loss, wrap(np.maximum(counts, 1).astype(x.dtype))))
    return reduced(op, loss if log_probs.ndim == 3 else reshape(loss, ()), reduction)


def _alignments(x: Tensor, times: Any, counts: Any, labels: Any, blank: int) -> Tensor:
    """-log of the sums over all alignments (N,), by frames from the first to the last.

    The places of an alignment are blank, label 1, blank, label 2, ..., blank.
    """
    batch, longest = labels.shape
    states = np.full((batch, 2 * longest + 1), blank, np.int64)
    states[:, 1::2] = labels
    skips = np.zeros(states.shape, bool)  # over a blank between different labels
    skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    skip = wrap(skips)
    rows = wrap(np.broadcast_to(states, (len(x), *states.shape)).copy())
    emitted = gather(x, 2, rows).unbind(0)  # T times (N, 2 S + 1)
    begins = wrap(np.broadcast_to(np.arange(states.shape[1]) < 2, states.shape).copy())
    alpha = ew.where(begins, emitted[0], _NEVER)
    sums = [alpha]
    for frame in emitted[1:]:
        one, two = pad(alpha, (1, -1), value=_NEVER), pad(alpha, (2, -2), value=_NEVER)
        if longest == 0:
            two = one
        alpha = ew.add(_log_sum(alpha, one, ew.where(skip, two, _NEVER)), frame)
        sums.append(alpha)
    # The last frame of each sample, and there the last label or the blank after it.
    ends = np.stack([2 * counts, np.maximum(2 * counts - 1, 0)], 1)
    last = stack(sums, 1)[wrap(np.arange(batch)), wrap(times - 1)]
    at = gather(last, 1, wrap(ends))
    blank_end, label_end = (reshape(part, (batch,)) for part in at.split(1, 1))
    label_end = ew.where(wrap(counts > 0), label_end, _NEVER)
    return ew.neg(_log_sum(blank_end, label_end, ew.add(ew.mul(label_end, 0.0), _NEVER)))
