"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.optim.optimizer import Optimizer, check_at_least_0
from pyautograd.tensor import Tensor, wrap

_NEW: dict[str, Any] = {}  # the state of a parameter before its first step
_settings = itemgetter("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")


class SGD(Optimizer):
    """p <- p - lr d, where d is the gradient g + weight_decay p, or its running sum.

    With momentum, b <- momentum b + (1 - dampening) d (b = d at the first step), and d is
    replaced by b, or with `nesterov` by d + momentum b. `maximize` goes up instead of down.
    Sutskever et al., 2013.

    >>> import pyautograd as ag
    >>> p = ag.ones(2, requires_grad=True)
    >>> optimizer = ag.optim.SGD([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.8000, 0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError("SGD: nesterov needs momentum above 0 and no dampening")

    _kernel = staticmethod(_C.sgd_step)

    def _prepare(self, group: dict[str, Any], params: list[Tensor]) -> Any:
        arrays = [p._array for p in params]
        grads: list[Any] = [p.grad._array for p in params]  # type: ignore[union-attr]
        settings = _settings(group)
        if not group["momentum"]:
            return arrays, grads, None, [False] * len(params), settings
        get = self.state.get
        kept = [(get(p) or _NEW).get("momentum_buffer") for p in params]
        buffers = [
            np.empty(p.shape, p.dtype) if b is None else b._array
            for p, b in zip(params, kept, strict=True)
        ]
        return arrays, grads, buffers, [b is None for b in kept], settings

    def _keep(self, params: list[Tensor], work: Any) -> None:
        _, _, buffers, first, _ = work
        if True in first:
            for p, buffer, new in zip(params, buffers, first, strict=True):
                if new:
                    self.state[p]["momentum_buffer"] = wrap(buffer)
