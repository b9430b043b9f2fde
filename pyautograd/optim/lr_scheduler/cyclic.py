"""Rates that rise and fall for ever."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pyautograd.optim.lr_scheduler.base import LRScheduler
from pyautograd.optim.optimizer import Optimizer


class CyclicLR(LRScheduler):
    """From `base_lr` up to `max_lr` in `step_size_up` steps, and down in `step_size_down`, again.

    The height of a cycle is scaled: by 1 ("triangular"), 1 / 2^(cycle - 1) ("triangular2"), or
    gamma^step ("exp_range"); or by `scale_fn` of the cycle's number from 1 on, or of the step's, by
    `scale_mode` "cycle" or "iterations". With `cycle_momentum` the momentum (or the first beta)
    goes the other way, between `max_momentum` and `base_momentum`. `step()` is called after each
    batch. `scale_fn` is not part of `state_dict`. Smith, 2017.

    >>> import pyautograd as ag
    >>> optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = ag.optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=4)
    >>> for batch in range(5):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        name = "CyclicLR"
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"{name}: mode is triangular, triangular2 or exp_range, got {mode!r}")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f"{name}: scale_mode is cycle or iterations, got {scale_mode!r}")
        down = step_size_up if step_size_down is None else step_size_down
        if not step_size_up > 0 or not down > 0:
            raise ValueError(
                f"{name}: expected steps above 0, got {step_size_up} up and {down} down"
            )
        groups = optimizer.param_groups

        def each(what: str, value: Any) -> list[float]:
            values = list(value) if isinstance(value, (tuple, list)) else [value] * len(groups)
            if len(values) != len(groups):
                raise ValueError(f"{name}: {len(values)} values of {what} for {len(groups)} groups")
            return values

        lows = each("base_lr", base_lr)
        self.max_lrs = each("max_lr", max_lr)
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_mode = scale_mode
        if scale_fn is None and mode == "exp_range":
            self.scale_mode = "iterations"
        self._scale_fn = scale_fn
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError(
                    f"{name}: cycle_momentum needs an optimiser with momentum or betas"
                )
            self.base_momentums = each("base_momentum", base_momentum)
            self.max_momentums = each("max_momentum", max_momentum)
        if last_epoch == -1:
            for group, low in zip(groups, lows, strict=True):
                group["lr"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows
        self._last_lr = self._present()

    def _scale(self, cycle: float) -> float:
        x = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self._scale_fn is not None:
            return self._scale_fn(x)
        if self.mode == "triangular":
            return 1.0
        return 1.0 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        """By the place in the present cycle; sets the momentum too."""
        turns = self.last_epoch / self.total_size
        cycle = math.floor(1 + turns)
        x = 1.0 + turns - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle)
        if self.cycle_momentum:
            ends = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, ends, strict=True):
                momentum = high - (high - low) * height
                if "betas" in self.optimizer.defaults:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        ends = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in ends]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimiser and the function."""
        return {name: value for name, value in super().state_dict().items() if name != "_scale_fn"}
