"""Optimisers that divide the gradient by a running size of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.optim.optimizer import Optimizer, check_at_least_0
from pyautograd.optim.running import Maker, RunningOptimizer, check_betas


class _Adaptive(RunningOptimizer):
    """`_entries`: the running size, the mean, the buffer of momentum."""

    _rule: str
    _kernel = staticmethod(_C.adaptive_step)

    def _factors(self, group: Mapping[str, Any]) -> tuple[float, float, float]:
        """How much of the size is kept, momentum, and the decay of lr."""
        raise NotImplementedError

    def _settings(self, group: Mapping[str, Any]) -> tuple[Any, ...]:
        keep, momentum, lr_decay = self._factors(group)
        return (
            self._rule, group["lr"], keep, momentum, group["eps"], group["weight_decay"], lr_decay,
            group["maximize"],
        )  # fmt: skip


def _check_share(optimizer: Optimizer, group: Mapping[str, Any], name: str) -> None:
    if not 0.0 <= float(group[name]) <= 1.0:
        raise ValueError(
            f"{type(optimizer).__name__}: expected {name} within [0, 1], got {group[name]!r}"
        )


class RMSprop(_Adaptive):
    """p <- p - lr g / (sqrt(v) + eps), with a running mean v of the gradient's square.

    v <- alpha v + (1 - alpha) g^2; `centered` takes the square of the running mean of g away from
    it. With momentum, b <- momentum b + g / (sqrt(v) + eps), and p <- p - lr b. `weight_decay` adds
    weight_decay p to g. `maximize` goes up instead of down. Hinton, 2012; Graves, 2013.

    >>> import pyautograd as ag
    >>> p = ag.ones(2, requires_grad=True)
    >>> optimizer = ag.optim.RMSprop([p], lr=0.1, alpha=0.75)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.8000, 0.8000], requires_grad=True)
    """

    _rule = "rmsprop"
    _entries = ("square_avg", "grad_avg", "momentum_buffer")
    _required = ("step", "square_avg")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay", "momentum")
        _check_share(self, group, "alpha")

    def _without(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        mean = () if group["centered"] else ("grad_avg",)
        return mean if group["momentum"] else (*mean, "momentum_buffer")

    def _factors(self, group: Mapping[str, Any]) -> tuple[float, float, float]:
        return group["alpha"], group["momentum"], 0.0


class Adagrad(_Adaptive):
    """p <- p - lr' g / (sqrt(s) + eps), with the sum s of the gradient's squares so far.

    s starts from `initial_accumulator_value`, and lr' = lr / (1 + (t - 1) lr_decay) at step t.
    `weight_decay` adds weight_decay p to g. `maximize` goes up instead of down. Duchi et al., 2011.
    """

    _rule = "adagrad"
    _entries = ("sum", None, None)
    _required = ("step", "sum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(
            self, group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"
        )

    def _maker(self, name: str, group: Mapping[str, Any]) -> Maker:
        start = group["initial_accumulator_value"]
        return lambda shape, dtype: np.full(shape, start, dtype)

    def _factors(self, group: Mapping[str, Any]) -> tuple[float, float, float]:
        return 1.0, 0.0, group["lr_decay"]


class Adadelta(_Adaptive):
    """p <- p - lr d, d = sqrt(u + eps) / sqrt(v + eps) g, without a rate of its own.

    v is the running mean of the gradient's square, u that of d^2: v <- rho v + (1 - rho) g^2 before
    d is taken, u likewise after it. `weight_decay` adds weight_decay p to g. `maximize` goes up
    instead of down. Zeiler, 2012.
    """

    _rule = "adadelta"
    _entries = ("square_avg", "acc_delta", None)
    _required = ("step", "square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay")
        _check_share(self, group, "rho")

    def _factors(self, group: Mapping[str, Any]) -> tuple[float, float, float]:
        return group["rho"], 0.0, 0.0


class Adamax(_Adaptive):
    """p <- p - lr / (1 - beta1^t) m / u, with a running mean m of the gradient, u its largest size.

    m <- beta1 m + (1 - beta1) g, u <- max(beta2 u, |g| + eps). `weight_decay` adds weight_decay p
    to g. `maximize` goes up instead of down. Kingma and Ba, 2015.
    """

    _rule = "adamax"
    _entries = ("exp_inf", "exp_avg", None)
    _required = ("step", "exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay")
        check_betas(self, group)

    def _factors(self, group: Mapping[str, Any]) -> tuple[float, float, float]:
        return group["betas"][1], group["betas"][0], 0.0
