"""What optimisers share whose state is a number of steps and running averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pyautograd.optim.optimizer import Optimizer
from pyautograd.tensor import Tensor, wrap

_NEW: dict[str, Any] = {"step": 0}  # the state of a parameter before its first step

# Makes an entry of the state before the first step: from the parameter's shape and dtype.
Maker = Callable[[Any, Any], Any]


class RunningOptimizer(Optimizer):
    """The base of Adam and its relatives: "step" and arrays in the parameter's shape.

    Their kernels take parameters, gradients, a list of arrays for each name in `_entries` (None
    where a group goes without), the numbers of the steps, and the settings.
    """

    _entries: tuple[str | None, ...]  # names of the arrays; None: what the kernel knows, not this

    def _without(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Entries that this group goes without."""
        return ()

    def _maker(self, name: str, group: Mapping[str, Any]) -> Maker:
        return np.zeros

    def _settings(self, group: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the kernel takes beside the arrays."""
        raise NotImplementedError

    def _prepare(self, group: dict[str, Any], params: list[Tensor]) -> Any:
        arrays = [p._array for p in params]
        grads: list[Any] = [p.grad._array for p in params]  # type: ignore[union-attr]
        get = self.state.get
        kept = [get(p) or _NEW for p in params]
        without = self._without(group)

        def entries(name: str | None) -> list[Any] | None:
            if name is None or name in without:
                return None
            make = self._maker(name, group)
            return [
                known[name]._array if name in known else make(x.shape, x.dtype)
                for known, x in zip(kept, arrays, strict=True)
            ]

        states = map(entries, self._entries)
        return arrays, grads, *states, [known["step"] + 1 for known in kept], self._settings(group)

    def _keep(self, params: list[Tensor], work: Any) -> None:
        _, _, *states, steps, _ = work
        for i, p in enumerate(params):
            known = self.state[p]
            known["step"] = steps[i]
            for name, arrays in zip(self._entries, states, strict=True):
                if name is not None and arrays is not None and name not in known:
                    known[name] = wrap(arrays[i])


def check_betas(optimizer: Optimizer, group: Mapping[str, Any]) -> None:
    """ValueError unless `betas` are two numbers from 0 to below 1."""
    betas = group["betas"]
    if len(betas) != 2 or not all(0.0 <= float(beta) < 1.0 for beta in betas):
        raise ValueError(f"{type(optimizer).__name__}: expected two betas in [0, 1), got {betas}")
