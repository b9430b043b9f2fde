"""Layers that only reshape."""

from __future__ import annotations

from collections.abc import Sequence

from pyautograd.nn.module import Module
from pyautograd.ops.shape import flatten, index_of_dim, reshape
from pyautograd.tensor import Tensor


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim` as one: by default (N, ...) to (N, features).

    >>> import pyautograd as ag
    >>> ag.nn.Flatten()(ag.zeros(2, 3, 4, 5)).shape
    (2, 60)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """A view where the strides allow it."""
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension as several; one of the sizes may be -1.

    >>> import pyautograd as ag
    >>> ag.nn.Unflatten(1, (3, 4))(ag.zeros(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """A view where the strides allow it."""
        d = index_of_dim("Unflatten", input.ndim, self.dim)
        sizes = self.unflattened_size
        known = 1
        for size in sizes:
            known *= size if size != -1 else 1
        if -1 in sizes and known:
            sizes = tuple([input.shape[d] // known if n == -1 else n for n in sizes])
        total = 1
        for size in sizes:
            total *= size
        if total != input.shape[d] or min(sizes, default=0) < 0:
            raise ValueError(
                f"Unflatten: size {input.shape[d]} of dimension {d} does not divide into "
                f"{self.unflattened_size}"
            )
        return reshape(input, (*input.shape[:d], *sizes, *input.shape[d + 1 :]))

    def extra_repr(self) -> str:
        """Dimension and sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
