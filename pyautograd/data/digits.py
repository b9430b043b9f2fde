"""The handwritten digits that scikit-learn carries: no download, no files."""

from __future__ import annotations

import numpy as np

from pyautograd.data.images import ImageSet


def load_digits() -> ImageSet:
    """1,797 handwritten digits of 8 x 8 pixels, (N, 1, 8, 8), from scikit-learn.

    Every fifth image of each class is held out for the test, so the split is always the same.
    Raises ImportError where scikit-learn is not installed.

    >>> import pyautograd as ag
    >>> digits = ag.data.load_digits()
    >>> digits.train_images.shape, digits.test_images.shape
    ((1442, 1, 8, 8), (355, 1, 8, 8))

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "load_digits: scikit-learn is not installed; pip install 'pyautograd[train]'"
        ) from error
    values, labels = datasets.load_digits(return_X_y=True)
    images = (values.reshape(-1, 1, 8, 8) / 16.0).astype(np.float32)  # the files count to 16
    labels = labels.astype(np.int64)
    held_out = np.zeros(len(labels), bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[4::5]] = True
    return ImageSet(
        "digits",
        tuple(str(digit) for digit in range(10)),
        images[~held_out],
        labels[~held_out],
        images[held_out],
        labels[held_out],
    )
