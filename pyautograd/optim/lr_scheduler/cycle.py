"""Rates that rise and fall."""

from __future__ import annotations

import math

from pyautograd.optim.lr_scheduler.base import LRScheduler
from pyautograd.optim.optimizer import Optimizer


class CosineAnnealingWarmRestarts(LRScheduler):
    """eta_min + (initial_lr - eta_min) (1 + cos(pi t / T)) / 2, t epochs after the last restart.

    The first T is `T_0`; after T epochs t starts from 0, and T is `T_mult` times as long.
    Loshchilov and Hutter, 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 < 1 or T_mult < 1:
            raise ValueError(
                f"CosineAnnealingWarmRestarts: expected T_0 and T_mult of at least 1, got {T_0} "
                f"and {T_mult}"
            )
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """By the place in the present cycle."""
        t, length = self.last_epoch, self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t -= length
            length *= self.T_mult
        share = (1.0 + math.cos(math.pi * t / length)) / 2.0
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to `max_lr`, then down to 1 / final_div_factor of the first rate.

    It rises over the share `pct_start` of all steps: `total_steps`, or epochs times
    steps_per_epoch. With `three_phase` it falls to the first rate in as many steps, and then to the
    last. The way is half a cosine, or a line for `anneal_strategy="linear"`. With `cycle_momentum`
    the momentum (or the first beta) goes the other way, between `max_momentum` and `base_momentum`.
    `step()` is called after each batch. Smith and Topin, 2019.

    >>> import pyautograd as ag
    >>> optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = ag.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> for batch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None and epochs and steps_per_epoch:
            total_steps = epochs * steps_per_epoch
        if total_steps is None or total_steps < 1:
            raise ValueError(
                "OneCycleLR: expected total_steps, or epochs and steps_per_epoch, of at least 1"
            )
        if not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"OneCycleLR: expected pct_start within [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy is cos or linear, got {anneal_strategy!r}"
            )
        self.total_steps = total_steps
        self.linear = anneal_strategy == "linear"
        self.cycle_momentum = cycle_momentum
        self.momenta = (max_momentum, base_momentum)
        rise, end = pct_start * total_steps - 1.0, total_steps - 1.0
        # Where each phase ends, and between which of (first, largest, last) it goes.
        self.phases: list[tuple[float, int, int]] = (
            [(rise, 0, 1), (2.0 * pct_start * total_steps - 2.0, 1, 0), (end, 0, 2)]
            if three_phase
            else [(rise, 0, 1), (end, 1, 2)]
        )
        groups = optimizer.param_groups
        largest = list(max_lr) if isinstance(max_lr, (list, tuple)) else [max_lr] * len(groups)
        if len(largest) != len(groups):
            raise ValueError(f"OneCycleLR: {len(largest)} rates for {len(groups)} groups")
        if cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ValueError("OneCycleLR: cycle_momentum needs an optimiser with momentum or betas")
        if last_epoch == -1:
            for group, rate in zip(groups, largest, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = rate / div_factor / final_div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.linear:
            return start + (end - start) * share
        return end + (start - end) / 2.0 * (1.0 + math.cos(math.pi * share))

    def get_lr(self) -> list[float]:
        """By the present phase; sets the momentum too."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: step {step + 1} of a cycle of {self.total_steps} steps")
        phase = 0
        while phase + 1 < len(self.phases) and step > self.phases[phase][0]:
            phase += 1
        begin = self.phases[phase - 1][0] if phase else 0.0
        end, source, target = self.phases[phase]
        share = (step - begin) / (end - begin) if end != begin else 1.0
        if self.cycle_momentum:
            ends = (*self.momenta, self.momenta[0])
            self._set_momentum(self._between(ends[source], ends[target], share))
        names = ("initial_lr", "max_lr", "min_lr")
        return [
            self._between(group[names[source]], group[names[target]], share)
            for group in self.optimizer.param_groups
        ]

    def _set_momentum(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value
