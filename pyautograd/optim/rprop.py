"""Steps by the gradient's sign, and averages of the parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd.optim.array_step import ArrayOptimizer
from pyautograd.optim.optimizer import check_at_least_0


class Rprop(ArrayOptimizer):
    """p <- p - s sign(g), with a step size s for each element; for gradients of all data.

    s starts from lr. Where the gradient keeps its sign, s grows by `etas[1]`; where it changes, s
    shrinks by `etas[0]` and the element stays for a step. s stays within `step_sizes`.
    Riedmiller and Braun, 1993.
    """

    _entries = ("prev", "step_size")
    _required = ("step", "prev", "step_size")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr")
        if not 0.0 < group["etas"][0] < 1.0 < group["etas"][1]:
            raise ValueError(f"Rprop: expected etas below and above 1, got {group['etas']}")

    def _start(self, name: str, group: Mapping[str, Any]) -> float:
        return float(group["lr"]) if name == "step_size" else 0.0

    def _step_one(self, p: Any, g: Any, entries: list[Any], step: int, group: Any) -> None:
        before, size = entries
        shrink, grow = group["etas"]
        product = g * before
        size *= np.where(product > 0, grow, np.where(product < 0, shrink, 1.0)).astype(p.dtype)
        np.clip(size, *group["step_sizes"], out=size)
        kept = np.where(product < 0, 0, g).astype(p.dtype)
        p -= np.sign(kept) * size
        before[...] = kept


class ASGD(ArrayOptimizer):
    """Gradient descent whose state keeps the mean of the parameters from step `t0` on, "ax".

    p <- (1 - lambd eta) p - eta g, eta = lr / (1 + lambd lr t)^alpha after step t.
    `weight_decay` adds weight_decay p to g. Polyak and Juditsky, 1992.
    """

    _entries = ("ax", "eta", "mu")
    _required = ("step", "ax", "eta", "mu")
    _scalars = ("eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "weight_decay")

    def _start(self, name: str, group: Mapping[str, Any]) -> float:
        return {"eta": float(group["lr"]), "mu": 1.0}.get(name, 0.0)

    def _step_one(self, p: Any, g: Any, entries: list[Any], step: int, group: Any) -> None:
        mean, eta, mu = entries
        rate, lr, lambd = float(eta), float(group["lr"]), group["lambd"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        p *= 1.0 - lambd * rate
        p -= rate * g
        if float(mu) == 1.0:
            mean[...] = p
        else:
            mean += float(mu) * (p - mean)
        eta[...] = lr / (1.0 + lambd * lr * step) ** group["alpha"]
        mu[...] = 1.0 / max(1.0, step - group["t0"])
