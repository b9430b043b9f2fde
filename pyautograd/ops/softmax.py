"""Softmax and its logarithm, along one dimension."""

from __future__ import annotations

from typing import Any

from pyautograd import _C
from pyautograd.op import method, primitive
from pyautograd.ops.shape import index_of_dim
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor

__all__ = [
    "log_softmax",
    "softmax",
]


def _same(x: Any, *rest: Any) -> Any:
    return x.shape, x.dtype


def _softmax_grad_rule(K: Any, g: Any, saved: Any, needs: Any, dim: int) -> Any:
    """Of y (u - s), s = sum(u y): y (g - sum(g y)), and g (u - s) - u sum(g y)."""
    u, y = saved
    gy = None
    if needs[1] is not None:
        s = K.sum(K.mul(u, y), (dim,), True, 1.0)
        r = K.sum(K.mul(g, y), (dim,), True, 1.0)
        gy = K.sub(K.mul(g, K.sub(u, s)), K.mul(u, r))
    return needs[0] and K.softmax_grad(g, y, dim), gy


def _log_softmax_grad_rule(K: Any, g: Any, saved: Any, needs: Any, dim: int) -> Any:
    """Of u - exp(y) s, s = sum(u): g - sum(g exp(y)), and -g exp(y) s."""
    u, y = saved
    weighted = K.mul(g, K.exp(y))
    gu = needs[0] and K.sub(g, K.sum(weighted, (dim,), True, 1.0))
    return gu, needs[1] and K.neg(K.mul(weighted, K.sum(u, (dim,), True, 1.0)))


_softmax = primitive(
    "softmax",
    "normalisation",
    _C.softmax,
    lambda K, g, saved, needs, dim: (K.softmax_grad(g, saved[0], dim),),
    _same,
    saves=(OUT,),
    fresh=True,
)
_log_softmax = primitive(
    "log_softmax",
    "normalisation",
    _C.log_softmax,
    lambda K, g, saved, needs, dim: (K.log_softmax_grad(g, saved[0], dim),),
    _same,
    saves=(OUT,),
    fresh=True,
)
# softmax_grad(g, y, dim) = y (g - sum(g y)); log_softmax_grad(g, y, dim) = g - exp(y) sum(g).
for _name, _kernel, _rule in (
    ("softmax_grad", _C.softmax_grad, _softmax_grad_rule),
    ("log_softmax_grad", _C.log_softmax_grad, _log_softmax_grad_rule),
):
    primitive(_name, "normalisation", _kernel, _rule, _same, saves=(0, 1), inputs=2)


@method()
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x - max) / sum(exp(x - max)) along `dim`.

    >>> import pyautograd as ag
    >>> ag.tensor([0.0, 0.0]).softmax(0)
    tensor([0.5000, 0.5000])
    """
    x = input if dtype is None else input.to(dtype)
    if not x.ndim:
        return x.reshape(1).softmax(0).reshape(())
    return _softmax(x, index_of_dim("softmax", x.ndim, dim))


@method()
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """x - max - log(sum(exp(x - max))) along `dim`: the logarithm of softmax, without overflow."""
    x = input if dtype is None else input.to(dtype)
    if not x.ndim:
        return x.reshape(1).log_softmax(0).reshape(())
    return _log_softmax(x, index_of_dim("log_softmax", x.ndim, dim))
