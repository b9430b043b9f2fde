"""Small files of random images in the formats of MNIST and CIFAR-10."""

import gzip
import struct

import numpy as np

from pyautograd.data.cifar import TEST_FILE, TRAIN_FILES

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
MNIST_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array):
    """The array of bytes as an IDX file."""
    array = np.asarray(array, np.uint8)
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, train=20, test=10, suffix="", size=(28, 28)):
    """A data set of random images in the four files; returns its parts."""
    random = np.random.default_rng(0)
    parts = []
    for (images_name, labels_name), count in ((MNIST_FILES, train), (MNIST_TEST, test)):
        images = random.integers(0, 256, (count, *size))
        labels = random.integers(0, 10, count)
        for name, array in ((images_name, images), (labels_name, labels)):
            contents = idx_bytes(array)
            path = folder / (name + suffix)
            path.write_bytes(gzip.compress(contents) if suffix == ".gz" else contents)
        parts += [images, labels]
    return parts


def write_cifar(folder, records=4):
    """Random records in all six files; returns them by file."""
    random = np.random.default_rng(0)
    files = {}
    for name in (*TRAIN_FILES, TEST_FILE):
        values = random.integers(0, 256, (records, 3073)).astype(np.uint8)
        values[:, 0] %= 10
        (folder / name).write_bytes(values.tobytes())
        files[name] = values
    return files
