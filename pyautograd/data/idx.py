"""The IDX format of MNIST and its relatives: a header with the shape, then the bytes.

A header is two zero bytes, the type of the values (8: unsigned bytes), the number of dimensions,
and each dimension as a big-endian 32-bit number.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pyautograd.data.images import ImageSet, check_labels, scaled

_UNSIGNED_BYTE = 8
_GZIP = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str], ndim: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes with `ndim` dimensions in an IDX file, plain or gzip-compressed.

    Raises ValueError for a file of another kind, with other dimensions, cut short or too long.
    """
    path = Path(path)
    with path.open("rb") as plain:
        compressed = plain.read(2) == _GZIP
        plain.seek(0)
        size = os.fstat(plain.fileno()).st_size
        try:
            with gzip.open(plain) if compressed else plain as file:
                header = file.read(4 + 4 * ndim)
                shape = _shape(path, header, ndim)
                count = math.prod(shape)
                if not compressed:  # told before memory is taken for what a header says
                    _check_length(path, shape, size - len(header))
                values = _read(file, count + 1)  # one more, to see that a file is too long
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: damaged or cut short: {error}") from error
    _check_length(path, shape, len(values))
    return np.frombuffer(values, np.uint8).reshape(shape)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _read(file: _Readable, most: int, block: int = 1 << 20) -> bytes:
    """Up to `most` bytes, block by block: a false header must not make us reserve terabytes."""
    blocks = []
    while most > 0 and (part := file.read(min(block, most))):
        blocks.append(part)
        most -= len(part)
    return b"".join(blocks)


def _shape(path: Path, header: bytes, ndim: int) -> tuple[int, ...]:
    magic = bytes((0, 0, _UNSIGNED_BYTE, ndim))
    if header[:4] != magic:
        raise ValueError(
            f"{path}: expected an IDX file of unsigned bytes with {ndim} dimensions, which starts "
            f"with {magic.hex(' ')}; found {header[:4].hex(' ') or 'an empty file'}"
        )
    if len(header) != 4 + 4 * ndim:
        raise ValueError(
            f"{path}: cut short: expected a header of {4 + 4 * ndim} bytes, found {len(header)}"
        )
    return struct.unpack(f">{ndim}I", header[4:])


def _check_length(path: Path, shape: tuple[int, ...], found: int) -> None:
    expected = math.prod(shape)
    if found != expected:
        raise ValueError(
            f"{path}: {'cut short' if found < expected else 'too long'}: the header announces "
            f"{shape}, {expected} bytes; {found if found < expected else 'more'} follow"
        )


def find_idx(folder: Path, name: str) -> Path | None:
    """The file of that name, also as `.gz`, also with a dot before `idx` as some sites have it."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    return None


def load_mnist(folder: str | os.PathLike[str]) -> ImageSet:
    """MNIST, or any data set in the same four files: Fashion-MNIST, KMNIST, ...

    `folder` holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, each plain or as .gz. Images come as (N, 1, H, W). There are ten
    classes. Raises FileNotFoundError for a file that is missing, ValueError for one that is no
    such file.
    """
    train_images, train_labels = _part(Path(folder), "train")
    test_images, test_labels = _part(Path(folder), "t10k")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ValueError(
            f"{folder}: training images of {train_images.shape[2:]} pixels, "
            f"but test images of {test_images.shape[2:]}"
        )
    classes = tuple(str(digit) for digit in range(10))
    return ImageSet("mnist", classes, train_images, train_labels, test_images, test_labels)


def _part(folder: Path, part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    paths = []
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        path = find_idx(folder, f"{part}-{kind}")
        if path is None:
            raise FileNotFoundError(f"{folder}: no file {part}-{kind} or {part}-{kind}.gz")
        paths.append(path)
    images = read_idx(paths[0], 3)  # (N, H, W)
    labels = read_idx(paths[1], 1)  # (N,)
    if len(images) != len(labels):
        raise ValueError(f"{paths[1]}: {len(labels)} labels for {len(images)} images in {paths[0]}")
    if not images.size:
        raise ValueError(f"{paths[0]}: holds no images, its shape is {images.shape}")
    check_labels(paths[1], labels, 10)
    return scaled(images[:, None]), labels.astype(np.int64)
