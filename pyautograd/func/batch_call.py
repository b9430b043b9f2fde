"""A call of an op on a batch: what batching rules are handed, and what they have in common."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.func.batched import is_batched
from pyautograd.func.levels import Level
from pyautograd.op import Op
from pyautograd.ops.shape import stack
from pyautograd.tensor import wrap

K = tape.tensors


class Call:
    """A call of an op on operands of which some have a batch along dimension 0."""

    def __init__(
        self, op: Op, run: Callable[..., Any], given: Any, attrs: tuple[Any, ...], level: Level
    ) -> None:
        self.op = op
        self.run = run
        self.given = list(given)  # as the function under vmap sees them
        self.attrs = attrs
        self.size = level.size
        self.batched = [is_batched(x, level) for x in given]
        self.x = [x.outer if b else x for x, b in zip(given, self.batched, strict=True)]

    def full(self, i: int, ndim: int = 0) -> Any:
        """Operand i with a batch, repeated where it has none; None stays None.

        With `ndim`, dimensions of size 1 follow the batch until the example has that many.
        """
        x = self.x[i]
        if x is None:
            return None
        shape = self.given[i].shape
        ones = (1,) * (ndim - len(shape))
        if self.batched[i]:
            return K.reshape(x, (self.size, *ones, *shape)) if ones else x
        return K.expand(x, (self.size, *ones, *shape))

    def aligned(self, ndim: int) -> list[Any]:
        """All operands, to be broadcast: examples of `ndim` dimensions; no batch where none is."""
        return [self.full(i, ndim) if b else self.x[i] for i, b in enumerate(self.batched)]


def folded(x: Any, at: int) -> Any:
    """The batch moved before dimension `at` of the example, and merged with it."""
    ndim = len(x.shape)
    x = K.permute(x, (*range(1, at + 1), 0, *range(at + 1, ndim)))
    return K.reshape(x, (*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :]))


def unfolded(x: Any, at: int, size: int, rest: int) -> Any:
    """The inverse: dimension `at` is (size, rest); the batch moved to the front."""
    x = K.reshape(x, (*x.shape[:at], size, rest, *x.shape[at + 1 :]))
    ndim = len(x.shape)
    return K.permute(x, (at, *range(at), *range(at + 1, ndim)))


_noted: set[str] = set()


def loop(c: Call) -> Any:
    """The op, example by example."""
    listed = c.op.inputs < 0
    return looped(
        c.op.name,
        lambda xs: c.run(*([xs] if listed else xs), *c.attrs),
        c.given,
        c.x,
        c.batched,
    )


def looped(
    name: str,
    run: Callable[[list[Any]], Any],
    given: Sequence[Any],
    whole: list[Any],
    batched: list[bool],
) -> Any:
    """run([...]) for each example, stacked.

    `given` are the operands as the function under vmap sees them, `whole` those with the batch as
    dimension 0 where they are `batched`.
    """
    if name not in _noted:
        _noted.add(name)
        warnings.warn(
            f"vmap: {name} has no batching rule; it runs in a loop over the batch",
            UserWarning,
            stacklevel=2,
        )
    size: int = next(x.shape[0] for x, b in zip(whole, batched, strict=True) if b)
    if not size:  # one example of zeros tells the shapes
        whole = [
            wrap(np.zeros((1, *x.shape), x.dtype)) if b else w
            for x, w, b in zip(given, whole, batched, strict=True)
        ]
    results = [
        run([x[i] if b else x for x, b in zip(whole, batched, strict=True)])
        for i in range(size or 1)
    ]
    if type(results[0]) is tuple:
        return tuple([stack(column)[:size] for column in zip(*results, strict=True)])
    return stack(results)[:size]
