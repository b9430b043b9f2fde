"""Activations with random parts: dropout for self-normalising networks, RReLU, Gumbel softmax.

`inplace` is taken so that programs written for PyTorch run; the input never changes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd.ops import elementwise as ew
from pyautograd.ops.activation import leaky_relu
from pyautograd.ops.random import default_generator, sampled
from pyautograd.ops.reduce import argmax
from pyautograd.ops.shape import index_of_dim
from pyautograd.ops.softmax import softmax
from pyautograd.tensor import Tensor, wrap

__all__ = ["alpha_dropout", "feature_alpha_dropout", "gumbel_softmax", "rrelu"]

_SATURATION = 1.7580993408473766  # of selu: scale * alpha


def _uniform(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers in [0, 1) of the input's dtype."""
    dtype = input.dtype
    return sampled(
        lambda size: np.asarray(default_generator.draw("random", size=size, dtype=dtype)),
        shape,
        default_generator,
    )


def _alpha_dropout(
    op: str, input: Tensor, p: float, training: bool, shape: tuple[int, ...]
) -> Tensor:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{op}: expected a probability, got p={p}")
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return ew.mul(input, 0.0)
    a = 1.0 / math.sqrt((_SATURATION**2 * p + 1.0) * (1.0 - p))
    shift = _SATURATION * a
    keep = ew.ge(_uniform(input, shape), p).to(input.dtype)
    return ew.add(ew.mul(input, ew.mul(keep, a)), ew.add(ew.mul(keep, shift), shift * (p - 1.0)))


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Sets elements to selu's lower bound with probability p, in training.

    Then scales and shifts all such that mean 0 and variance 1 stay. Klambauer et al., 2017.
    """
    return _alpha_dropout("alpha_dropout", input, p, training, input.shape)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """As `alpha_dropout`, for whole channels of (N, C, ...)."""
    if input.ndim < 2:
        raise ValueError(f"feature_alpha_dropout: expected (N, C, ...), got shape {input.shape}")
    shape = (*input.shape[:2], *(1,) * (input.ndim - 2))
    return _alpha_dropout("feature_alpha_dropout", input, p, training, shape)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x >= 0, a x elsewhere, a uniform in [lower, upper); their mean outside training.

    Xu et al., 2015.

    >>> import pyautograd as ag
    >>> ag.nn.functional.rrelu(ag.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    slope = ew.add(ew.mul(_uniform(input, input.shape), upper - lower), lower)
    return ew.mul(input, ew.where(ew.ge(input, 0.0), 1.0, slope))


def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + g) / tau) along `dim`, g of the Gumbel distribution: a soft random choice.

    With `hard`, the choice itself as zeros and a 1, with the gradient of the soft one. `eps` is
    taken and ignored. Jang et al., 2017.

    >>> import pyautograd as ag
    >>> ag.nn.functional.gumbel_softmax(ag.zeros(5, 3), hard=True).sum(dim=1)
    tensor([1., 1., 1., 1., 1.])
    """
    dtype = logits.dtype

    def draw(shape: tuple[int, ...]) -> Any:
        waits = default_generator.draw("standard_exponential", size=shape, dtype=dtype)
        return -np.log(np.maximum(waits, np.finfo(dtype).tiny))

    d = index_of_dim("gumbel_softmax", logits.ndim, dim)
    soft = softmax(ew.div(ew.add(logits, sampled(draw, logits.shape, default_generator)), tau), d)
    if not hard:
        return soft
    places = np.arange(logits.shape[d]).reshape(-1, *(1,) * (logits.ndim - 1 - d))
    chosen = ew.eq(argmax(soft, d, True), wrap(places)).to(dtype)
    return ew.add(ew.sub(chosen, soft.detach()), soft)
