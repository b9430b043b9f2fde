"""What the checks of gradcheck have in common: settings, differences, the comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyautograd.tensor import Tensor


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences."""


@dataclass(frozen=True)
class Settings:
    """What gradcheck checks, and how closely."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    undefined: bool
    batched: bool
    batched_forward: bool
    forward: bool
    backward: bool
    fast: bool

    def __post_init__(self) -> None:
        if not self.forward and not self.backward:
            raise ValueError(
                "gradcheck: one of check_forward_ad and check_backward_ad must be true"
            )
        if self.batched and not self.backward:
            raise ValueError("gradcheck: check_batched_grad needs check_backward_ad")
        if self.batched_forward and not self.forward:
            raise ValueError("gradcheck: check_batched_forward_grad needs check_forward_ad")


def as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _shifted(func: Callable[..., Any], inputs: Any, chosen: list[int]) -> list[Any]:
    outputs = as_tuple(func(*inputs))
    return [outputs[i].numpy(force=True).reshape(-1).copy() for i in chosen]


def by_differences(
    func: Callable[..., Any], inputs: tuple[Any, ...], x: Tensor, chosen: list[int], eps: float
) -> dict[int, Any]:
    """By output: its Jacobian by x, (y.numel(), x.numel()), two calls of func a column."""
    array = x._array
    columns: dict[int, list[Any]] = {i: [] for i in chosen}
    for place in np.ndindex(array.shape):
        value = array[place]
        try:
            array[place] = value + eps
            above = _shifted(func, inputs, chosen)
            array[place] = value - eps
            below = _shifted(func, inputs, chosen)
        finally:
            array[place] = value
        for i, up, down in zip(chosen, above, below, strict=True):
            columns[i].append((up.astype(np.float64) - down) / (2 * eps))
    return {i: np.stack(c, 1) if c else np.zeros((0, 0)) for i, c in columns.items()}


def compare(
    way: str,
    i: int,
    j: int,
    y_shape: tuple[int, ...],
    x_shape: tuple[int, ...],
    analytical: Any,
    numerical: Any,
    s: Settings,
    other: str = "differences give",
) -> None:
    """Two Jacobians, (y.numel(), x.numel())."""
    if not analytical.size:
        return
    with np.errstate(invalid="ignore"):
        away = np.abs(analytical - numerical)
        good = away <= s.atol + s.rtol * np.abs(numerical)  # false for NaN
    if good.all():
        return
    worst = int(np.argmax(np.where(good, -1.0, np.where(np.isnan(away), math.inf, away))))
    k, m = divmod(worst, analytical.shape[1])
    raise GradcheckError(
        f"gradcheck: the gradient of output {i} with respect to input {j} is wrong in "
        f"{int((~good).sum())} of {good.size} places; the worst is element {place(k, y_shape)} of "
        f"the output by element {place(m, x_shape)} of the input: {way} gives "
        f"{analytical[k, m]:.9g}, {other} {numerical[k, m]:.9g} "
        f"(atol={s.atol:g}, rtol={s.rtol:g})"
    )


def place(k: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(k, shape)) if shape else ()
