"""The network: two convolutions, each halved by pooling, then two linear layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import pyautograd as ag
from pyautograd import nn
from pyautograd.training.settings import RunError


class Standardize(nn.Module):
    """(x - mean) / deviation by channel, of the training images.

    The two are buffers, so a file of weights is all that is needed to use the network.
    """

    def __init__(self, images: NDArray[np.float32]) -> None:
        super().__init__()
        mean, deviation = (x.astype(np.float32) for x in _moments(images))
        self.register_buffer("mean", ag.tensor(mean))
        self.register_buffer("deviation", ag.tensor(deviation))

    def forward(self, input: ag.Tensor) -> ag.Tensor:
        """(N, C, H, W) to the same."""
        return (input - self.mean) / self.deviation


def _moments(images: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation by channel, each (1, C, 1, 1)."""
    sums, squares = 0.0, 0.0
    for start in range(0, len(images), 1000):  # a float64 copy of all of them could be gigabytes
        part = images[start : start + 1000].astype(np.float64)
        sums = sums + part.sum(axis=(0, 2, 3), keepdims=True)
        squares = squares + np.square(part).sum(axis=(0, 2, 3), keepdims=True)
    count = images.size / images.shape[1]
    mean = np.asarray(sums) / count
    variance = np.maximum(np.asarray(squares) / count - mean**2, 0)
    variance[variance < 1e-12] = 1  # a channel of one colour
    return mean, np.sqrt(variance)


def convolutional_network(images: NDArray[np.float32], classes: int) -> nn.Sequential:
    """A network for images (N, C, H, W), its sizes derived from C, H and W."""
    _, channels, height, width = images.shape
    if min(height, width) < 4:
        raise RunError(f"images of {height} x {width} pixels are too small: two poolings need 4")
    flat = 64 * (height // 4) * (width // 4)
    return nn.Sequential(
        Standardize(images),
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(flat, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )
