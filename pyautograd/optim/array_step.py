"""The base of optimisers whose step is written in NumPy, a parameter at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pyautograd.optim.running import Maker, RunningOptimizer


class ArrayOptimizer(RunningOptimizer):
    """Derived classes define `_step_one`. Entries in `_scalars` are float64 numbers, not arrays."""

    has_kernel = False
    _starts: Mapping[str, float] = {}  # of entries that do not start from 0

    def _start(self, name: str, group: Mapping[str, Any]) -> float:
        return self._starts.get(name, 0.0)

    def _maker(self, name: str, group: Mapping[str, Any]) -> Maker:
        start = self._start(name, group)
        if name in self._scalars:
            return lambda shape, dtype: np.full((), start)
        return lambda shape, dtype: np.full(shape, start, dtype)

    def _settings(self, group: Mapping[str, Any]) -> Any:
        return group

    def _step_one(self, p: Any, g: Any, entries: list[Any], step: int, group: Any) -> None:
        """Changes the arrays of a parameter and of its entries in place; `g` is not to change."""
        raise NotImplementedError

    def _kernel(self, work: list[Any]) -> None:
        for arrays, grads, *states, _, _ in work:
            kept = [x for x in states if x is not None]
            for i, (p, g) in enumerate(zip(arrays, grads, strict=True)):
                fits = g.shape == p.shape and g.dtype == p.dtype
                for entry in (x[i] for x in kept):
                    fits &= entry.shape in (p.shape, ()) and entry.dtype in (p.dtype, np.float64)
                if not fits or not p.flags.writeable or not p.flags.carray:
                    raise ValueError(f"{type(self).__name__}.step: parameter {i} does not fit")
        for arrays, grads, *states, steps, group in work:
            for i, (p, g) in enumerate(zip(arrays, grads, strict=True)):
                entries = [None if x is None else x[i] for x in states]
                self._step_one(p, -g if group["maximize"] else g, entries, steps[i], group)
