"""The ops, a family to a file. Importing this package fills the registry and Tensor's methods."""

from pyautograd.ops import (
    conv,
    create,
    elementwise,
    index,
    loss,
    matmul,
    norm,
    pool,
    random,
    reduce,
    shape,
    softmax,
)

__all__ = [
    "conv",
    "create",
    "elementwise",
    "index",
    "loss",
    "matmul",
    "norm",
    "pool",
    "random",
    "reduce",
    "shape",
    "softmax",
]
