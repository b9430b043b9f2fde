"""Sequences of several lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyautograd.ops.shape import pad, stack, unbind
from pyautograd.tensor import Tensor


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """N sequences (L, ...) of several lengths as one tensor (longest L, N, ...).

    Shorter ones are filled up with `padding_value`, on the "right" or the "left". (N, L, ...) with
    `batch_first`.

    >>> import pyautograd as ag
    >>> ag.nn.utils.rnn.pad_sequence([ag.tensor([1, 2, 3]), ag.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    given = list(sequences)
    if not given or any(not isinstance(x, Tensor) or not x.ndim for x in given):
        raise ValueError("pad_sequence: expected at least one sequence (L, ...)")
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side is left or right, got {padding_side!r}")
    longest = max(x.shape[0] for x in given)
    rows = []
    for x in given:
        more = longest - x.shape[0]
        border = (0, 0) * (x.ndim - 1) + ((0, more) if padding_side == "right" else (more, 0))
        rows.append(pad(x, border, value=padding_value) if more else x)
    return stack(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences (L, ...) of a tensor that `pad_sequence` has made, by their lengths.

    >>> import pyautograd as ag
    >>> ag.nn.utils.rnn.unpad_sequence(ag.tensor([[1, 4], [2, 0]]), [2, 1])
    [tensor([1, 2]), tensor([4])]
    """
    counts = [int(n) for n in lengths]
    rows = unbind(padded_sequences, 0 if batch_first else 1)
    if len(rows) != len(counts):
        raise ValueError(f"unpad_sequence: {len(counts)} lengths for {len(rows)} sequences")
    return [row[:n] for row, n in zip(rows, counts, strict=True)]


__all__ = ["pad_sequence", "unpad_sequence"]
