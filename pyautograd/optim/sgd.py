"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.modes import mark_modified
from pyautograd.optim.optimizer import Optimizer, _same_layout, check_at_least_0
from pyautograd.tensor import wrap

_sgd_step = _C.sgd_step


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

    def _prepare(self, group: dict[str, Any]) -> list[Any]:
        momentum = group["momentum"] != 0
        work = []
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            x, g = p._array, grad._array
            if not _same_layout(x, g) or not x.flags.carray:
                raise self._misfit(p)
            buffer, first = None, False
            if momentum:
                known = self.state.get(p)
                first = known is None or "momentum_buffer" not in known
                if known is None or first:
                    buffer = np.empty(x.shape, x.dtype)
                else:
                    buffer = known["momentum_buffer"]._array
                    if not _same_layout(x, buffer):
                        raise self._misfit(p)
            work.append((p, x, g, buffer, first))
        return work

    def _update(self, group: dict[str, Any], work: list[Any]) -> None:
        lr, momentum = float(group["lr"]), float(group["momentum"])
        dampening, decay = float(group["dampening"]), float(group["weight_decay"])
        nesterov, maximize = bool(group["nesterov"]), bool(group["maximize"])
        for p, x, g, buffer, first in work:
            _sgd_step(x, g, buffer, lr, momentum, dampening, decay, nesterov, maximize, first)
            mark_modified(x, "SGD.step")
            if first:
                self.state[p]["momentum_buffer"] = wrap(buffer)
