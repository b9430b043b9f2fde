"""Adam's relatives with another start, or Nesterov's momentum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd.optim.array_step import ArrayOptimizer
from pyautograd.optim.optimizer import check_at_least_0
from pyautograd.optim.running import check_betas


def _decayed(p: Any, g: Any, group: Any) -> Any:
    """The gradient with weight decay; a decoupled one acts on the parameter instead."""
    decay = group["weight_decay"]
    if not decay:
        return g
    if group["decoupled_weight_decay"]:
        p *= 1.0 - float(group["lr"]) * decay
        return g
    return g + decay * p


def _averaged(m: Any, v: Any, g: Any, betas: Any) -> None:
    """Running means m of the gradient and v of its square."""
    m += (1.0 - betas[0]) * (g - m)
    v *= betas[1]
    v += (1.0 - betas[1]) * (g * g)


class RAdam(ArrayOptimizer):
    """Adam that leaves out the division by sqrt(v) until enough gradients have been seen.

    m and v are running means of the gradient and its square, m' = m / (1 - beta1^t). With
    r0 = 2 / (1 - beta2) - 1 and r = r0 - 2 t beta2^t / (1 - beta2^t): while r <= 5,
    p <- p - lr m'; then p <- p - lr c m' sqrt(1 - beta2^t) / (sqrt(v) + eps), where
    c^2 = (r - 4) (r - 2) r0 / ((r0 - 4) (r0 - 2) r). `weight_decay` adds weight_decay p to the
    gradient, or with `decoupled_weight_decay` acts as in AdamW. Liu et al., 2020.

    >>> import pyautograd as ag
    >>> p = ag.ones(2, requires_grad=True)
    >>> optimizer = ag.optim.RAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.8000, 0.8000], requires_grad=True)
    """

    _entries = ("exp_avg", "exp_avg_sq")
    _required = ("step", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
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
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay")
        check_betas(self, group)

    def _step_one(self, p: Any, g: Any, entries: list[Any], step: int, group: Any) -> None:
        m, v = entries
        beta1, beta2 = group["betas"]
        _averaged(m, v, _decayed(p, g, group), (beta1, beta2))
        rate = float(group["lr"]) / (1.0 - beta1**step)
        seen = 1.0 - beta2**step
        most = 2.0 / (1.0 - beta2) - 1.0
        r = most - 2.0 * step * beta2**step / seen
        if r <= 5.0:
            p -= rate * m
            return
        c = math.sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r))
        p -= (rate * c * math.sqrt(seen)) * m / (np.sqrt(v) + group["eps"])


class NAdam(ArrayOptimizer):
    """Adam with Nesterov's momentum, which grows with the steps.

    m and v are running means of the gradient g and its square, v' = v / (1 - beta2^t), and
    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), whose product so far is M_t:
    p <- p - lr ((1 - mu_t) g / (1 - M_t) + mu_(t+1) m / (1 - M_(t+1))) / (sqrt(v') + eps).
    `weight_decay` adds weight_decay p to the gradient, or with `decoupled_weight_decay` acts as in
    AdamW. Dozat, 2016.
    """

    _entries = ("exp_avg", "exp_avg_sq", "mu_product")
    _required = ("step", "exp_avg", "exp_avg_sq", "mu_product")
    _scalars = ("mu_product",)
    _starts = {"mu_product": 1.0}  # noqa: RUF012

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
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
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay", "momentum_decay")
        check_betas(self, group)

    def _step_one(self, p: Any, g: Any, entries: list[Any], step: int, group: Any) -> None:
        m, v, product = entries
        (beta1, beta2), lr = group["betas"], float(group["lr"])
        g = _decayed(p, g, group)
        _averaged(m, v, g, (beta1, beta2))
        mu, after = (
            beta1 * (1.0 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
        )
        product *= mu
        so_far = float(product)
        size = np.sqrt(v / (1.0 - beta2**step)) + group["eps"]
        p -= (lr * (1.0 - mu) / (1.0 - so_far)) * g / size
        p -= (lr * after / (1.0 - so_far * after)) * m / size
