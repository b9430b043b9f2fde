"""Nonlinearities as layers."""

from __future__ import annotations

from pyautograd.nn.module import Module
from pyautograd.ops.elementwise import relu, sigmoid, tanh
from pyautograd.ops.softmax import log_softmax, softmax
from pyautograd.tensor import Tensor


class ReLU(Module):
    """max(x, 0), element by element.

    `inplace` is taken so that programs written for PyTorch run; ops here never change their input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return relu(input)

    def extra_repr(self) -> str:
        """Whether PyTorch would work in place."""
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """tanh(x), element by element."""

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element."""

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return sigmoid(input)


def _usual_dim(ndim: int) -> int:
    """The dimension of the classes in (C,), (N, C), (C, H, W) and (N, C, H, W)."""
    return 0 if ndim in (0, 1, 3) else 1


class Softmax(Module):
    """exp(x) / sum(exp(x)) along `dim`; without `dim`, along that of the classes.

    >>> import pyautograd as ag
    >>> ag.nn.Softmax(dim=1)(ag.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return softmax(input, _usual_dim(input.ndim) if self.dim is None else self.dim)

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along `dim`; without `dim`, along that of the classes."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return log_softmax(input, _usual_dim(input.ndim) if self.dim is None else self.dim)

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"
