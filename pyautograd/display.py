"""How tensors print: as people know it from PyTorch; of a large one, only the edges."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyautograd.graph import Symbol

_DEFAULT = ("float32", "int64", "bool")


@dataclass(frozen=True)
class _Options:
    precision: int = 4  # digits behind the point
    threshold: float = 1000  # of more elements only the edges are shown
    edgeitems: int = 3
    linewidth: int = 88
    sci_mode: bool | None = None  # None: where the numbers are far apart


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=sys.maxsize),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print from now on; what is not given stays, but `sci_mode`, which None resets.

    precision: digits behind the point. threshold: of tensors with more elements only `edgeitems`
    at each edge are shown. sci_mode: whether floats have exponents; None: where they are far apart.
    profile: "default", "short" or "full", for all of these.

    >>> import pyautograd as ag
    >>> ag.set_printoptions(precision=2)
    >>> ag.tensor([1.23456])
    tensor([1.23])
    >>> ag.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(
            f"set_printoptions: profile is one of {', '.join(_PROFILES)}; got {profile!r}"
        )
    given: dict[str, Any] = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        if not value >= 0:
            raise ValueError(f"set_printoptions: expected {name} of at least 0, got {value!r}")
    base = _PROFILES[profile] if profile is not None else _options
    _options = replace(base, sci_mode=sci_mode, **chosen)


def tensor_repr(t: Any) -> str:
    """`tensor([1., 2.], requires_grad=True)`: reads only the elements it shows."""
    array = t._array
    if isinstance(array, Symbol):
        return f"tensor(<not computed yet>, shape={array.shape}, dtype={array.dtype.name})"
    notes = []
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={array.shape}")
    elif array.size > _options.threshold:
        notes.append(f"shape={array.shape}")
    if array.dtype.name not in _DEFAULT or array.size > _options.threshold:
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
        threshold=int(min(_options.threshold, sys.maxsize)),
        edgeitems=_options.edgeitems,
        max_line_width=_options.linewidth,
        formatter=_formatter(array),
    )
    return prefix + ", ".join([values, *notes]) + ")"


def _shown(array: Any) -> Any:
    """The elements that will be printed."""
    if array.size <= _options.threshold:
        return array
    edge = _options.edgeitems
    for d in range(array.ndim):
        if array.shape[d] > 2 * edge:
            take = np.r_[0:edge, array.shape[d] - edge : array.shape[d]]
            array = np.take(array, take, axis=d)
    return array


def _formatter(array: Any) -> Any:
    if array.dtype.kind != "f":
        return None
    shown = _shown(array)
    finite = np.abs(shown[np.isfinite(shown)]).astype(np.float64)
    largest = finite.max() if finite.size else 0.0
    smallest = finite[finite > 0].min() if (finite > 0).any() else largest
    far_apart = largest >= 1e8 or largest > 1000 * smallest or smallest < 1e-4
    whole = (finite == np.floor(finite)).all() and largest < 1e8
    if whole and not _options.sci_mode:
        spec = ".0f"
    elif far_apart if _options.sci_mode is None else _options.sci_mode:
        spec = f".{_options.precision}e"
    else:
        spec = f".{_options.precision}f"

    def text(x: Any) -> str:
        if not np.isfinite(x):
            return str(float(x))
        return format(float(x), spec) + ("." if spec == ".0f" else "")

    width = max((len(text(x)) for x in shown.ravel()), default=0)
    return {"float_kind": lambda x: text(x).rjust(width)}
