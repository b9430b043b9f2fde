"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.modes import mark_modified
from pyautograd.optim.optimizer import Optimizer, _same_layout, check_at_least_0
from pyautograd.tensor import wrap

_adam_step = _C.adam_step


class Adam(Optimizer):
    """p <- p - lr m' / (sqrt(v') + eps), with running means m of the gradient and v of its square.

    m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2; m' = m / (1 - beta1^t) and
    v' = v / (1 - beta2^t) at step t. `weight_decay` adds weight_decay p to g. With `amsgrad`, v'
    is taken from the largest v so far (Reddi et al., 2018). `maximize` goes up instead of down.
    Kingma and Ba, 2015.

    >>> import pyautograd as ag
    >>> p = ag.ones(2, requires_grad=True)
    >>> optimizer = ag.optim.Adam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.9000, 0.9000], requires_grad=True)
    """

    _decoupled = False
    _required = ("step", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )
        self._where = f"{type(self).__name__}.step"

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay")
        betas = group["betas"]
        if len(betas) != 2 or not all(0.0 <= float(beta) < 1.0 for beta in betas):
            raise ValueError(f"{type(self).__name__}: expected two betas in [0, 1), got {betas}")

    def _prepare(self, group: dict[str, Any]) -> list[Any]:
        amsgrad = group["amsgrad"]
        work = []
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            x, g = p._array, grad._array
            if not _same_layout(x, g) or not x.flags.carray:
                raise self._misfit(p)
            known = self.state.get(p)
            largest = None
            if known:
                mean, square = known["exp_avg"]._array, known["exp_avg_sq"]._array
                step = known["step"] + 1
                if amsgrad:
                    kept = known.get("max_exp_avg_sq")
                    largest = np.zeros(x.shape, x.dtype) if kept is None else kept._array
                    if not _same_layout(x, largest):
                        raise self._misfit(p)
                if not _same_layout(x, mean) or not _same_layout(x, square):
                    raise self._misfit(p)
            else:
                mean, square = np.zeros(x.shape, x.dtype), np.zeros(x.shape, x.dtype)
                step = 1
                if amsgrad:
                    largest = np.zeros(x.shape, x.dtype)
            work.append((p, x, g, mean, square, largest, step))
        return work

    def _update(self, group: dict[str, Any], work: list[Any]) -> None:
        lr, eps, decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = (float(beta) for beta in group["betas"])
        decoupled, maximize = self._decoupled, bool(group["maximize"])
        state, where = self.state, self._where
        for p, x, g, mean, square, largest, step in work:
            _adam_step(
                x, g, mean, square, largest, lr, beta1, beta2, eps, decay, step, decoupled, maximize
            )
            mark_modified(x, where)
            known = state[p]
            known["step"] = step
            if "exp_avg" not in known:
                known["exp_avg"], known["exp_avg_sq"] = wrap(mean), wrap(square)
            if largest is not None and "max_exp_avg_sq" not in known:
                known["max_exp_avg_sq"] = wrap(largest)


class AdamW(Adam):
    """Adam with weight decay that acts on the parameter alone: p <- p - lr weight_decay p first.

    Loshchilov and Hutter, 2019.
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
