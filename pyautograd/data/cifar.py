"""The binary format of CIFAR-10: records of one label byte and 3 x 32 x 32 bytes of colour."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyautograd.data.images import ImageSet, check_labels, scaled

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32


def load_cifar10(folder: str | os.PathLike[str]) -> ImageSet:
    """CIFAR-10 in its binary version: data_batch_1.bin to data_batch_5.bin and test_batch.bin.

    Images come as (N, 3, 32, 32), red, green and blue. Raises FileNotFoundError for a file that is
    missing, ValueError for one that is no such file.
    """
    folder = Path(folder)
    parts = [_read(folder / name) for name in TRAIN_FILES]
    train_images = np.concatenate([images for images, _ in parts])
    train_labels = np.concatenate([labels for _, labels in parts])
    test_images, test_labels = _read(folder / TEST_FILE)
    return ImageSet(
        "cifar10", CLASSES, scaled(train_images), train_labels, scaled(test_images), test_labels
    )


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 3, 32, 32) and (N,)."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent}: no file {path.name}")
    values = np.fromfile(path, np.uint8)
    if not values.size or values.size % _RECORD:
        raise ValueError(
            f"{path}: expected records of {_RECORD} bytes (a label, then 3 x 32 x 32 values), "
            f"found {values.size} bytes, which is {values.size // _RECORD} records "
            f"and {values.size % _RECORD} bytes"
        )
    records = values.reshape(-1, _RECORD)
    check_labels(path, records[:, 0], len(CLASSES))
    return records[:, 1:].reshape(-1, *_SHAPE), records[:, 0].astype(np.int64)
