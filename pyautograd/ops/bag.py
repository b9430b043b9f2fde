"""Bags of rows of a table: their sums, means or largest values."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.op import has_values
from pyautograd.ops import elementwise as ew
from pyautograd.ops.embedding import embedding
from pyautograd.ops.reduce import max, sum
from pyautograd.ops.shape import reshape, unsqueeze
from pyautograd.tensor import Tensor, wrap

__all__ = ["embedding_bag"]

_MODES = ("sum", "mean", "max")


def _bags(input: Tensor, offsets: Any, include_last_offset: bool) -> tuple[Any, Any]:
    """Begin and end of each bag in the flat input."""
    op = "embedding_bag"
    if not isinstance(offsets, Tensor) or offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        raise ValueError(f"{op}: input (total,) needs offsets (bags,) of an integer dtype")
    if not has_values(offsets):
        raise ValueError(f"{op}: offsets decide about shapes, and need values here")
    begins = offsets.numpy().astype(np.int64)
    total = input.shape[0]
    if include_last_offset and not begins.size:
        raise ValueError(f"{op}: include_last_offset needs at least one offset")
    ends = np.append(begins[1:], total)
    if include_last_offset:
        begins, ends = begins[:-1], begins[1:]
    if begins.size and (begins[0] != 0 or (begins > ends).any() or ends[-1] > total):
        raise ValueError(
            f"{op}: expected offsets from 0 on, in order, up to {total}, got "
            f"{offsets.numpy().tolist()}"
        )
    return begins, ends


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    mode: str = "mean",
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or largest values ("max") of the rows of each bag: (bags, features).

    input: row numbers (bags, n), or of all bags (total,) with `offsets` (bags,) where each begins
    (and with `include_last_offset` where the last one ends). weight (rows, features).
    `per_sample_weights`, in the input's shape, scale the rows of sums. The row `padding_idx` counts
    nowhere and gets no gradient. An empty bag gives zeros.

    >>> import pyautograd as ag
    >>> table = ag.tensor([[1.0], [2.0], [4.0]])
    >>> ag.nn.functional.embedding_bag(ag.tensor([0, 1, 2]), table, ag.tensor([0, 2]), mode="sum")
    tensor([[3.],
            [4.]])
    """
    op = "embedding_bag"
    if mode not in _MODES:
        raise ValueError(f"{op}: mode is sum, mean or max, got {mode!r}")
    if input.ndim not in (1, 2) or (input.ndim == 2) != (offsets is None):
        raise ValueError(
            f"{op}: expected input (bags, n), or (total,) with offsets, got shape {input.shape} "
            f"{'without' if offsets is None else 'with'} offsets"
        )
    if per_sample_weights is not None:
        if mode != "sum":
            raise ValueError(f"{op}: per_sample_weights are for mode sum, not {mode}")
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"{op}: expected per_sample_weights of the input's shape {input.shape}, got "
                f"{per_sample_weights.shape}"
            )
    rows = embedding(input, weight, padding_idx)  # (bags, n, features) or (total, features)
    kept = None
    if padding_idx is not None:
        kept = unsqueeze(ew.ne(input, padding_idx % len(weight)), -1)
        if mode != "max":
            rows = ew.where(kept, rows, 0.0)
    if per_sample_weights is not None:
        rows = ew.mul(rows, unsqueeze(per_sample_weights, -1))
    if input.ndim == 2:
        return _of_rectangle(rows, kept, mode)
    return _of_segments(rows, kept, mode, *_bags(input, offsets, include_last_offset))


def _of_rectangle(rows: Tensor, kept: Tensor | None, mode: str) -> Tensor:
    if mode == "max":
        return _largest(rows, kept)
    total = sum(rows, 1)
    if mode == "sum":
        return total
    count: Any = float(rows.shape[1] or 1)
    if kept is not None:
        count = ew.clamp(sum(kept.to(rows.dtype), 1), min=1.0)
    return ew.div(total, count)


def _largest(rows: Tensor, kept: Tensor | None) -> Tensor:
    """Over dimension 1; 0 where nothing is kept."""
    if not rows.shape[1]:
        return sum(rows, 1)
    if kept is None:
        return max(rows, 1)[0]
    best = max(ew.where(kept, rows, -np.inf), 1)[0]
    some = ew.ne(sum(kept.to(rows.dtype), 1), 0.0)
    return ew.where(some, best, 0.0)


def _of_segments(rows: Tensor, kept: Tensor | None, mode: str, begins: Any, ends: Any) -> Tensor:
    lengths, bags = ends - begins, len(begins)
    if mode == "max":
        longest = int(lengths.max(initial=0))
        at = begins[:, None] + np.arange(longest)
        inside = at < ends[:, None]
        at = wrap(np.where(inside, at, 0))
        chosen = reshape(wrap(inside), (bags, longest, 1))
        if kept is not None:
            chosen = ew.where(chosen, kept[at].to(rows.dtype), 0.0)
            chosen = ew.ne(chosen, 0.0)
        return _largest(rows[at], chosen)
    bag = wrap(np.repeat(np.arange(bags), lengths))
    used = int(lengths.sum())

    def added(x: Tensor) -> Tensor:
        return tape.tensors.embedding_grad(x if used == len(x) else x[:used], bag, bags, -1)

    total = added(rows)
    if mode == "sum":
        return total
    if kept is None:
        count: Any = wrap(np.maximum(lengths, 1).astype(rows.dtype)[:, None])
    else:
        count = ew.clamp(added(kept.to(rows.dtype)), min=1.0)
    return ew.div(total, count)
