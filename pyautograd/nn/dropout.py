"""Dropout."""

from __future__ import annotations

from pyautograd.nn.module import Module
from pyautograd.ops.random import dropout
from pyautograd.tensor import Tensor


class Dropout(Module):
    """In training, zeroes each element with probability p and divides the others by 1 - p.

    Srivastava et al., 2014. `inplace` is taken so that programs written for PyTorch run; ops here
    never change their input.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: expected a probability, got p={p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Probability."""
        return f"p={self.p}, inplace={self.inplace}"
