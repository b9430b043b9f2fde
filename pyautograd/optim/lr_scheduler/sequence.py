"""Schedulers one after the other, and at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from pyautograd.modes import refuse_in_graph
from pyautograd.optim.lr_scheduler.base import LRScheduler
from pyautograd.optim.optimizer import Optimizer


class _Several(LRScheduler):
    """What schedulers of schedulers share."""

    schedulers: list[LRScheduler]

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
        for i, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"{type(self).__name__}: scheduler {i} belongs to another optimiser"
                )
        self.optimizer = optimizer
        self.schedulers = list(schedulers)

    def get_lr(self) -> list[float]:
        """The present rates."""
        return self._present()

    def state_dict(self) -> dict[str, Any]:
        """All but the optimiser, with the states of the schedulers."""
        state = super().state_dict()
        return {**state, "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over a state; the optimiser's own state holds the rates."""
        parts = list(state_dict["schedulers"])
        if len(parts) != len(self.schedulers):
            raise ValueError(
                f"{type(self).__name__}: the state is of {len(parts)} schedulers, not "
                f"{len(self.schedulers)}"
            )
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "schedulers"})
        for scheduler, part in zip(self.schedulers, parts, strict=True):
            scheduler.load_state_dict(part)


class ChainedScheduler(_Several):
    """The schedulers at once: each changes the rates that those before it have set.

    >>> import pyautograd as ag
    >>> optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = ag.optim.lr_scheduler
    >>> parts = [schedule.ConstantLR(optimizer, 0.5), schedule.ExponentialLR(optimizer, 0.5)]
    >>> both = schedule.ChainedScheduler(parts)
    >>> optimizer.step()
    >>> both.step()
    >>> both.get_last_lr()
    [0.25]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        parts = list(schedulers)
        if not parts:
            raise ValueError("ChainedScheduler: expected at least one scheduler")
        self._take(parts, optimizer or parts[0].optimizer)
        self._last_lr = self._present()

    def step(self) -> None:
        """Goes to the next epoch."""
        refuse_in_graph(f"{type(self).__name__}.step")
        for scheduler in self.schedulers:
            scheduler.step()
        self._last_lr = self._present()


class SequentialLR(_Several):
    """The schedulers in turn: each starts, from the first rates, at its milestone.

    >>> import pyautograd as ag
    >>> optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = ag.optim.lr_scheduler
    >>> parts = [schedule.ConstantLR(optimizer, 0.1), schedule.ExponentialLR(optimizer, 0.5)]
    >>> both = schedule.SequentialLR(optimizer, parts, milestones=[2])
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     both.step()
    >>> both.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if len(milestones) + 1 != len(schedulers) or list(milestones) != sorted(milestones):
            raise ValueError(
                f"SequentialLR: expected {len(schedulers) - 1} milestones in order for "
                f"{len(schedulers)} schedulers, got {list(milestones)}"
            )
        self._take(schedulers, optimizer)
        self.milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self._begin(self.schedulers[0])

    def _begin(self, scheduler: LRScheduler) -> None:
        """Its epoch 0, from the first rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = float(group["initial_lr"])
        scheduler.last_epoch = -1
        scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def step(self) -> None:
        """Goes to the next epoch."""
        refuse_in_graph(f"{type(self).__name__}.step")
        self.last_epoch += 1
        i = bisect_right(self.milestones, self.last_epoch)
        if i > 0 and self.milestones[i - 1] == self.last_epoch:
            self._begin(self.schedulers[i])
            return
        self.schedulers[i].step()
        self._last_lr = self.schedulers[i].get_last_lr()
