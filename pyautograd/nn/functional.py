"""The functions that layers call: ops, or composed of ops, from `pyautograd.ops`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.op import has_values
from pyautograd.ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu6,
    selu,
    silu,
    softmin,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from pyautograd.ops.attention import scaled_dot_product_attention
from pyautograd.ops.conv import conv2d, fold, unfold
from pyautograd.ops.conv_nd import (
    conv1d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from pyautograd.ops.distance import cosine_similarity, normalize
from pyautograd.ops.elementwise import relu, sigmoid, tanh
from pyautograd.ops.embedding import embedding
from pyautograd.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from pyautograd.ops.matmul import linear
from pyautograd.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from pyautograd.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from pyautograd.ops.random import dropout, dropout1d, dropout2d, dropout3d
from pyautograd.ops.shape import pad
from pyautograd.ops.softmax import log_softmax, softmax
from pyautograd.tensor import Tensor, wrap


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (...) as rows (..., num_classes) of zeros with one 1, int64.

    Without `num_classes`, as many as the largest class number asks for.

    >>> import pyautograd as ag
    >>> ag.nn.functional.one_hot(ag.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype.kind not in "iu":
        raise TypeError(f"one_hot: expected class numbers of an integer dtype, got {tensor.dtype}")
    if num_classes == -1 or has_values(tensor):
        num_classes = _class_count(tensor.numpy(), num_classes)
    if num_classes < 1:
        raise ValueError(f"one_hot: expected a positive num_classes, got {num_classes}")
    return (tensor.unsqueeze(-1) == wrap(np.arange(num_classes))).to(np.int64)


def _class_count(classes: np.ndarray[Any, Any], num_classes: int) -> int:
    if classes.size and classes.min() < 0:
        raise IndexError(f"one_hot: class {classes.min()} is negative")
    if num_classes == -1:
        if not classes.size:
            raise ValueError("one_hot: an empty tensor does not tell num_classes")
        return int(classes.max()) + 1
    if classes.size and classes.max() >= num_classes >= 1:
        raise IndexError(
            f"one_hot: class {classes.max()} is out of range for {num_classes} classes"
        )
    return num_classes


__all__ = [
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "unfold",
    "fold",
    "pad",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "batch_norm",
    "layer_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "scaled_dot_product_attention",
    "normalize",
    "cosine_similarity",
    "relu",
    "sigmoid",
    "tanh",
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
    "softmax",
    "log_softmax",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "kl_div",
    "binary_cross_entropy",
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy_with_logits",
    "one_hot",
]
