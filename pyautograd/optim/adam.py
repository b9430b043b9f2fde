"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.optim.optimizer import Optimizer, check_at_least_0
from pyautograd.tensor import Tensor, wrap

_NEW: dict[str, Any] = {"step": 0}  # the state of a parameter before its first step


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

    def _check_group(self, group: Mapping[str, Any]) -> None:
        check_at_least_0(self, group, "lr", "eps", "weight_decay")
        betas = group["betas"]
        if len(betas) != 2 or not all(0.0 <= float(beta) < 1.0 for beta in betas):
            raise ValueError(f"{type(self).__name__}: expected two betas in [0, 1), got {betas}")

    _kernel = staticmethod(_C.adam_step)

    def _prepare(self, group: dict[str, Any], params: list[Tensor]) -> Any:
        arrays = [p._array for p in params]
        grads: list[Any] = [p.grad._array for p in params]  # type: ignore[union-attr]
        get = self.state.get
        kept = [get(p) or _NEW for p in params]

        def moments(name: str) -> list[Any]:
            return [
                known[name]._array if name in known else np.zeros(x.shape, x.dtype)
                for known, x in zip(kept, arrays, strict=True)
            ]

        largest = moments("max_exp_avg_sq") if group["amsgrad"] else None
        steps = [known["step"] + 1 for known in kept]
        settings = (
            group["lr"], *group["betas"], group["eps"], group["weight_decay"], self._decoupled,
            group["maximize"],
        )  # fmt: skip
        return arrays, grads, moments("exp_avg"), moments("exp_avg_sq"), largest, steps, settings

    def _keep(self, params: list[Tensor], work: Any) -> None:
        _, _, means, squares, largest, steps, _ = work
        state = self.state
        for i, p in enumerate(params):
            known = state[p]
            known["step"] = steps[i]
            if "exp_avg" not in known:
                known["exp_avg"], known["exp_avg_sq"] = wrap(means[i]), wrap(squares[i])
            if largest is not None and "max_exp_avg_sq" not in known:
                known["max_exp_avg_sq"] = wrap(largest[i])


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
