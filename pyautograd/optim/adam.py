"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyautograd import _C
from pyautograd.optim.optimizer import check_at_least_0
from pyautograd.optim.running import RunningOptimizer, check_betas


class Adam(RunningOptimizer):
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
    _entries = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _required = ("step", "exp_avg", "exp_avg_sq")
    _kernel = staticmethod(_C.adam_step)

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

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay")
        check_betas(self, group)

    def _without(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return () if group["amsgrad"] else ("max_exp_avg_sq",)

    def _settings(self, group: Mapping[str, Any]) -> tuple[Any, ...]:
        return (
            group["lr"], *group["betas"], group["eps"], group["weight_decay"], self._decoupled,
            group["maximize"],
        )  # fmt: skip


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
