"""Rates that fall where learning stands still."""

from __future__ import annotations

import math
from typing import Any

from pyautograd.modes import refuse_in_graph
from pyautograd.optim.lr_scheduler.base import LRScheduler
from pyautograd.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` once a measure has not become better for more than `patience` epochs.

    `step(metrics)` is told the measure. Better is lower (`mode="min"`) or higher ("max") than the
    best so far by more than `threshold`: a share of it ("rel") or a difference ("abs"). After a
    reduction, `cooldown` epochs are not counted. No rate falls below `min_lr`, nor by less than
    `eps`.

    >>> import pyautograd as ag
    >>> optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = ag.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    >>> for loss in (2.0, 1.0, 1.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = "ReduceLROnPlateau"
        if not factor < 1.0:
            raise ValueError(f"{name}: expected factor below 1, got {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"{name}: mode is min or max and threshold_mode rel or abs, got {mode!r} and "
                f"{threshold_mode!r}"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")
        groups = optimizer.param_groups
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * len(groups)
        if len(self.min_lrs) != len(groups):
            raise ValueError(
                f"{name}: {len(self.min_lrs)} values of min_lr for {len(groups)} groups"
            )
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = self._present()

    def get_lr(self) -> list[float]:
        """The present rates."""
        return self._present()

    def _is_better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        margin = self.threshold * (abs(self.best) if self.threshold_mode == "rel" else 1.0)
        if math.isinf(self.best):
            return sign * value < sign * self.best
        return sign * value < sign * self.best - margin

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Goes to the next epoch, whose measure is a number or a scalar tensor."""
        refuse_in_graph(f"{type(self).__name__}.step")
        value = float(metrics)
        self.last_epoch += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                new = max(float(group["lr"]) * self.factor, least)
                if group["lr"] - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._present()
