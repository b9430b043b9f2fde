"""How tensors print: as people know it from PyTorch; of a large one, only the edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.graph import Symbol

_DEFAULT = ("float32", "int64", "bool")


def tensor_repr(t: Any) -> str:
    """`tensor([1., 2.], requires_grad=True)`: reads only the elements it shows."""
    array = t._array
    if isinstance(array, Symbol):
        return f"tensor(<not computed yet>, shape={array.shape}, dtype={array.dtype.name})"
    notes = []
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={array.shape}")
    elif array.size > 1000:
        notes.append(f"shape={array.shape}")
    if array.dtype.name not in _DEFAULT or array.size > 1000:
        notes.append(f"dtype={array.dtype.name}")
    if t.grad_fn is not None:
        notes.append(f"grad_fn={t.grad_fn!r}")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    prefix = "tensor("
    if type(t).__name__ == "Parameter":
        prefix = "Parameter containing:\ntensor("
    values = np.array2string(
        array,
        prefix=" " * 7,
        separator=", ",
        threshold=1000,
        edgeitems=3,
        max_line_width=88,
        formatter=_formatter(array),
    )
    return prefix + ", ".join([values, *notes]) + ")"


def _shown(array: Any) -> Any:
    """The elements that will be printed."""
    if array.size <= 1000:
        return array
    for d in range(array.ndim):
        if array.shape[d] > 6:
            take = np.r_[0:3, array.shape[d] - 3 : array.shape[d]]
            array = np.take(array, take, axis=d)
    return array


def _formatter(array: Any) -> Any:
    if array.dtype.kind != "f":
        return None
    shown = _shown(array)
    finite = np.abs(shown[np.isfinite(shown)]).astype(np.float64)
    largest = finite.max() if finite.size else 0.0
    smallest = finite[finite > 0].min() if (finite > 0).any() else largest
    if (finite == np.floor(finite)).all() and largest < 1e8:
        spec = ".0f"
    elif largest >= 1e8 or largest > 1000 * smallest or smallest < 1e-4:
        spec = ".4e"
    else:
        spec = ".4f"

    def text(x: Any) -> str:
        if not np.isfinite(x):
            return str(float(x))
        return format(float(x), spec) + ("." if spec == ".0f" else "")

    width = max((len(text(x)) for x in shown.ravel()), default=0)
    return {"float_kind": lambda x: text(x).rjust(width)}
