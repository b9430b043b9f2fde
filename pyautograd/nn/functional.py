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
from pyautograd.ops.bag import (
    embedding_bag,
)
from pyautograd.ops.bilinear import bilinear
from pyautograd.ops.conv import conv2d, fold, unfold
from pyautograd.ops.conv_nd import (
    conv1d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from pyautograd.ops.distance import cosine_similarity, normalize, pairwise_distance
from pyautograd.ops.elementwise import relu as _relu
from pyautograd.ops.elementwise import sigmoid, tanh
from pyautograd.ops.embedding import embedding
from pyautograd.ops.grid import (
    affine_grid,
    grid_sample,
)
from pyautograd.ops.inplace import in_place
from pyautograd.ops.interpolate import (
    channel_shuffle,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
)
from pyautograd.ops.likelihood import (
    ctc_loss,
    gaussian_nll_loss,
    poisson_nll_loss,
)
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
from pyautograd.ops.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from pyautograd.ops.matmul import linear
from pyautograd.ops.noise import (
    alpha_dropout,
    feature_alpha_dropout,
    gumbel_softmax,
    rrelu,
)
from pyautograd.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from pyautograd.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from pyautograd.ops.pool_nd import (
    adaptive_avg_pool1d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool3d,
)
from pyautograd.ops.random import dropout, dropout1d, dropout2d, dropout3d
from pyautograd.ops.response_norm import local_response_norm
from pyautograd.ops.shape import pad
from pyautograd.ops.softmax import log_softmax, softmax
from pyautograd.ops.unpool import max_unpool1d, max_unpool2d, max_unpool3d
from pyautograd.tensor import Tensor, wrap

relu_ = in_place(_relu)
celu_, elu_, hardtanh_, leaky_relu_, rrelu_, selu_, threshold_ = map(
    in_place, (celu, elu, hardtanh, leaky_relu, rrelu, selu, threshold)
)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0), element by element; with `inplace`, in the memory of the input.

    The gradient at 0 is 0; NaN stays NaN.

    >>> import pyautograd as ag
    >>> ag.nn.functional.relu(ag.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return relu_(input) if inplace else _relu(input)


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
    "channel_shuffle",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
    "affine_grid",
    "grid_sample",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "batch_norm",
    "layer_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
    "local_response_norm",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
    "embedding",
    "embedding_bag",
    "scaled_dot_product_attention",
    "normalize",
    "cosine_similarity",
    "pairwise_distance",
    "bilinear",
    "relu",
    "relu_",
    "sigmoid",
    "tanh",
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "logsigmoid",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "selu_",
    "silu",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
    "threshold_",
    "rrelu",
    "rrelu_",
    "gumbel_softmax",
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
    "ctc_loss",
    "gaussian_nll_loss",
    "poisson_nll_loss",
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "one_hot",
]
