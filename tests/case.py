"""What rows of the table of ops are made of: see cases.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# ---- inputs --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """Random values of a shape; `grad`: whether gradients with respect to them are checked."""

    shape: tuple[int, ...]
    values: Callable[[np.random.Generator, tuple[int, ...]], Any] = lambda rng, shape: (
        rng.standard_normal(shape)
    )
    grad: bool = True

    def __call__(self, rng: np.random.Generator) -> Any:
        return np.asarray(self.values(rng, self.shape))


def positive(*shape: int) -> Draw:
    return Draw(shape, lambda rng, shape: rng.uniform(0.5, 2.0, shape))


def nonzero(*shape: int) -> Draw:
    return Draw(shape, lambda rng, s: rng.uniform(0.3, 2.0, s) * np.sign(rng.random(s) - 0.5))


def apart(*shape: int) -> Draw:
    """Values with gaps between them, and around 0: no kink is near."""

    def values(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        n = int(np.prod(shape))
        return ((rng.permutation(n) - n / 2 + 0.25) * (4.0 / max(n, 1))).reshape(shape)

    return Draw(shape, values)


def integers(low: int, high: int, *shape: int) -> Draw:
    return Draw(shape, lambda rng, shape: rng.integers(low, high, shape), grad=False)


def mask(*shape: int) -> Draw:
    return Draw(shape, lambda rng, shape: rng.random(shape) < 0.5, grad=False)


def fixed(values: Any) -> Draw:
    array = np.array(values)
    return Draw(array.shape, lambda rng, shape: array.copy(), array.dtype.kind == "f")


def constant(draw: Any) -> Draw:
    draw = as_draw(draw)
    return Draw(draw.shape, draw.values, grad=False)


def as_draw(spec: Any) -> Draw:
    """A plain shape stands for normal values."""
    return spec if isinstance(spec, Draw) else Draw(tuple(spec))


# ---- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A row.

    run(K, *tensors): a tensor or a tuple of them.
    inputs: a shape (normal values) or a Draw each; `large` ones are split among threads.
    reference(*arrays): what run should give.
    order: of the highest derivative checked: 0, 1 or 2.
    smooth: whether differences may be taken at the inputs (else only PyTorch is the judge).
    torch: whether PyTorch has it.
    """

    name: str
    run: Callable[..., Any]
    inputs: Sequence[Any]
    reference: Callable[..., Any]
    order: int = 2
    smooth: bool = True
    torch: bool = True
    large: Sequence[Any] | None = None

    def __str__(self) -> str:
        return self.name


NAN, INF = float("nan"), float("inf")


def op(name: str) -> Callable[..., Any]:
    return lambda K, *tensors: getattr(K, name)(*tensors)
