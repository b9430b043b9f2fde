"""Dropout."""

from __future__ import annotations

from pyautograd.nn.module import Module
from pyautograd.ops.noise import alpha_dropout, feature_alpha_dropout
from pyautograd.ops.random import dropout, dropout1d, dropout2d, dropout3d
from pyautograd.tensor import Tensor


class Dropout(Module):
    """In training, zeroes each element with probability p and divides the others by 1 - p.

    Srivastava et al., 2014. `inplace` is taken so that programs written for PyTorch run; ops here
    never change their input.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{type(self).__name__}: expected a probability, got p={p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """In training, zeroes whole channels of (N, C, L) or (C, L) with probability p.

    Tompson et al., 2015.
    """

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return dropout1d(input, self.p, self.training)


class Dropout2d(Dropout):
    """In training, zeroes whole channels of images (N, C, H, W) or (C, H, W) with probability p.

    Tompson et al., 2015.
    """

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return dropout2d(input, self.p, self.training)


class Dropout3d(Dropout):
    """In training, zeroes whole channels of (N, C, D, H, W) or (C, D, H, W) with probability p.

    Tompson et al., 2015.
    """

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return dropout3d(input, self.p, self.training)


class AlphaDropout(Dropout):
    """In training, sets elements to selu's lower bound with probability p; mean and variance stay.

    Klambauer et al., 2017.
    """

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(Dropout):
    """As `AlphaDropout`, for whole channels of (N, C, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return feature_alpha_dropout(input, self.p, self.training)
