"""The base of schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyautograd.modes import refuse_in_graph
from pyautograd.optim.optimizer import Optimizer


class LRScheduler:
    """The base of schedulers: a derived class defines `get_lr`.

    The first epoch is number 0; `last_epoch` is the number of the present one. To go on with an
    optimiser whose groups have an "initial_lr", pass the number of the last epoch.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: group {i} has no 'initial_lr' to go on from"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._last_lr: list[float] = []
        self.step()

    def get_lr(self) -> list[float]:
        """The rates of the epoch `last_epoch`, from those that the groups have now."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The rates that the last `step` has set, one a group."""
        return list(self._last_lr)

    def step(self) -> None:
        """Goes to the next epoch."""
        refuse_in_graph(f"{type(self).__name__}.step")
        self.last_epoch += 1
        self._last_lr = self.get_lr()
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """All but the optimiser."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over a state; the optimiser's own state holds the rates."""
        unknown = set(state_dict) - set(self.state_dict())
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: unknown entries {', '.join(sorted(map(str, unknown)))}"
            )
        self.__dict__.update(state_dict)

    def _present(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._present()]
