"""Rates that depend on the epoch alone, and go one way."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from pyautograd.optim.lr_scheduler.base import LRScheduler
from pyautograd.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """initial_lr * lr_lambda(epoch); one function, or one for each group.

    The functions are not part of `state_dict`.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        n = len(optimizer.param_groups)
        several = isinstance(lr_lambda, (list, tuple))
        self.lr_lambdas: list[Callable[[int], float]] = (
            list(lr_lambda) if several else [lr_lambda] * n
        )
        if len(self.lr_lambdas) != n:
            raise ValueError(
                f"{type(self).__name__}: {len(self.lr_lambdas)} functions for {n} groups"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """initial_lr * lr_lambda(epoch)."""
        return [
            base * function(self.last_epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimiser and the functions."""
        return {name: value for name, value in super().state_dict().items() if name != "lr_lambdas"}


class MultiplicativeLR(LambdaLR):
    """The rate times lr_lambda(epoch), at each epoch but the first; one function, or one a group.

    The functions are not part of `state_dict`.
    """

    def get_lr(self) -> list[float]:
        """The present rates times lr_lambda(epoch)."""
        if self.last_epoch == 0:
            return self._present()
        return [
            lr * function(self.last_epoch)
            for lr, function in zip(self._present(), self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """Times `gamma` every `step_size` epochs.

    >>> import pyautograd as ag
    >>> optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = ag.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: expected step_size of at least 1, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Times gamma, if a step begins."""
        begins = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._scaled(self.gamma if begins else 1.0)


class MultiStepLR(LRScheduler):
    """Times `gamma` at each of the epochs `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Times gamma for each milestone at this epoch."""
        epoch, at = self.last_epoch, self.milestones
        return self._scaled(self.gamma ** (bisect_right(at, epoch) - bisect_left(at, epoch)))


class ExponentialLR(LRScheduler):
    """Times `gamma` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Times gamma, except at epoch 0."""
        return self._scaled(self.gamma if self.last_epoch > 0 else 1.0)


class LinearLR(LRScheduler):
    """initial_lr times a factor that goes from `start_factor` to `end_factor` in `total_iters`."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < start_factor <= 1.0 or not 0.0 <= end_factor <= 1.0:
            raise ValueError(
                "LinearLR: expected start_factor in (0, 1] and end_factor in [0, 1], got "
                f"{start_factor} and {end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        done = min(epoch, self.total_iters) / self.total_iters if self.total_iters > 0 else 1.0
        return self.start_factor + (self.end_factor - self.start_factor) * done

    def get_lr(self) -> list[float]:
        """Times the ratio of this epoch's factor to the last one's."""
        epoch = self.last_epoch
        if epoch == 0:
            return self._scaled(self.start_factor)
        if epoch > self.total_iters:
            return self._present()
        return self._scaled(self._factor(epoch) / self._factor(epoch - 1))


class CosineAnnealingLR(LRScheduler):
    """eta_min + (initial_lr - eta_min) (1 + cos(pi epoch / T_max)) / 2.

    From initial_lr down to `eta_min` in `T_max` epochs, then up again, without restarts.
    Loshchilov and Hutter, 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: expected T_max of at least 1, got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _share(self, epoch: int) -> float:
        return (1.0 + math.cos(math.pi * epoch / self.T_max)) / 2.0

    def get_lr(self) -> list[float]:
        """From the present rate, by the ratio of the shares; from `eta_min` itself, anew."""
        epoch, low = self.last_epoch, self.eta_min
        if epoch == 0:
            return self._present()
        share = self._share(epoch)
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # the last share was 0
            rises = zip(self._present(), self.base_lrs, strict=True)
            return [lr + (base - low) * share for lr, base in rises]
        ratio = share / self._share(epoch - 1)
        return [low + (lr - low) * ratio for lr in self._present()]


class ConstantLR(LRScheduler):
    """initial_lr times `factor` before epoch `total_iters`, initial_lr from then on."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < factor <= 1.0:
            raise ValueError(f"ConstantLR: expected factor in (0, 1], got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Times the factor at the beginning, and over it at the end."""
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        return self._scaled(1.0 / self.factor if self.last_epoch == self.total_iters else 1.0)


class PolynomialLR(LRScheduler):
    """initial_lr times (1 - epoch / total_iters)^power, 0 from `total_iters` on."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        if total_iters < 1:
            raise ValueError(f"PolynomialLR: expected total_iters of at least 1, got {total_iters}")
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Times the ratio of this epoch's factor to the last one's."""
        epoch = self.last_epoch
        if epoch == 0 or epoch > self.total_iters:
            return self._present()
        left = self.total_iters - epoch
        return self._scaled((left / (left + 1)) ** self.power)
