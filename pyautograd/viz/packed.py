"""Arrays as a page holds them: the first elements of each dimension, once each, in base64."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from pyautograd.viz.graph import Summary

_EDGE = 64  # of the last two dimensions, at most
_ROW = 256  # of an array of one dimension
_MOST = 4096  # elements of one array
_TOTAL = 2_000_000  # bytes of all arrays, before base64


def held_shape(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """How much of each dimension is kept: planes of the last two first, then more planes.

    >>> held_shape((64, 6, 28, 28), 4096)
    (2, 2, 28, 28)
    """
    if len(shape) < 2 or 0 in shape:
        return tuple(min(n, _ROW, most) for n in shape)
    side = min(_EDGE, max(1, math.isqrt(most)))
    rows, columns = (min(n, side) for n in shape[-2:])
    held = [min(n, 1) for n in shape[:-2]]
    room = most // max(rows * columns, 1)
    grown = True
    while grown:
        grown = False
        for d in reversed(range(len(held))):
            count = math.prod(held) // max(held[d], 1) * (held[d] + 1)
            if held[d] < shape[d] and count <= room:
                held[d], grown = held[d] + 1, True
    return (*held, rows, columns)


class Arrays:
    """A table of arrays; equal ones share an entry."""

    def __init__(self) -> None:
        self._arrays: list[Any] = []
        self._ids: dict[int, int] = {}
        self._equal: dict[Any, int] = {}

    def add(self, array: Any) -> int | None:
        """The number of the array in the table; None for None."""
        if array is None:
            return None
        if id(array) not in self._ids:
            numbers = np.asarray(array)
            content = numbers.shape, numbers.dtype.str, hash(numbers.tobytes())
            if content not in self._equal:
                self._equal[content] = len(self._arrays)
            # Kept even where an equal one is known: its id must not be given to another.
            self._arrays.append(array)
            self._ids[id(array)] = self._equal[content]
        return self._ids[id(array)]

    def packed(self) -> list[dict[str, Any] | None]:
        """The entries, of which the page is made; None in the places of equal ones."""
        used = set(self._equal.values())
        arrays = [np.asarray(x) if i in used else None for i, x in enumerate(self._arrays)]
        most = _MOST
        while most > 16 and sum(_bytes(x, most) for x in arrays if x is not None) > _TOTAL:
            most //= 2
        return [None if x is None else _entry(x, most) for x in arrays]


def _bytes(array: Any, most: int) -> int:
    return math.prod(held_shape(array.shape, most)) * _stored(array.dtype).itemsize


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float32, or float64 for what does not fit into it."""
    return np.dtype("<f4" if dtype in (np.float32, np.uint8, np.bool_) else "<f8")


def _entry(array: Any, most: int) -> dict[str, Any]:
    held = held_shape(array.shape, most)
    part = array[tuple(slice(n) for n in held)]
    data = np.ascontiguousarray(part, _stored(array.dtype))
    summary = Summary.of(array)
    return {
        "shape": array.shape,
        "dtype": str(array.dtype),
        "held": held,
        "wide": data.itemsize == 8,
        "data": base64.b64encode(data.tobytes()).decode(),
        **{key: _number(getattr(summary, key)) for key in ("low", "high", "mean")},
        "nan": summary.nan,
        "infinite": summary.infinite,
    }


def _number(x: float) -> float | None:
    return float(f"{x:.7g}") if math.isfinite(x) else None
