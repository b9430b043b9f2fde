"""Labelled images: what every reader of this package returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ImageSet(NamedTuple):
    """Labelled images, cut into those to train on and those to test on.

    Images are float32, (N, C, H, W), from 0 (black) to 1; labels are int64, (N,), and count from 0
    in the order of `classes`.
    """

    name: str
    classes: tuple[str, ...]
    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def scaled(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes 0..255 as float32 0..1, without a second copy of a large array."""
    return np.divide(values, np.float32(255), dtype=np.float32)


def check_labels(source: object, labels: NDArray[np.integer], classes: int) -> None:
    """Raises ValueError naming `source` unless all labels are in 0..classes-1."""
    if labels.size and int(labels.max()) >= classes:
        raise ValueError(
            f"{source}: expected labels 0 to {classes - 1}, found {labels.max()} "
            f"at position {int(labels.argmax())}"
        )
