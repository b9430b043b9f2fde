"""Where tensors live: in the CPU's memory, always. For programs that say so."""

from __future__ import annotations

from typing import Any


class device:
    """A place for tensors, of which there is one: "cpu".

    Taken wherever PyTorch takes a device; RuntimeError for any other.

    >>> import pyautograd as ag
    >>> device = ag.device("cuda" if ag.cuda.is_available() else "cpu")
    >>> ag.ones(2).to(device).device
    device(type='cpu')
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name = type.type if isinstance(type, device) else type
        if name == "cpu:0":
            name, index = "cpu", 0
        if name != "cpu" or index not in (None, 0):
            place = f"{type}:{index}" if index else type
            raise RuntimeError(f"device: expected 'cpu', the only one there is, got {place!r}")
        self.type, self.index = "cpu", index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device)

    def __hash__(self) -> int:
        return hash(device)

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"


CPU = device()
_KINDS = ("cpu", "cuda", "mps", "xpu", "meta")  # strings that name devices, not dtypes


def on_cpu(place: Any) -> None:
    """RuntimeError unless `place` is None or the CPU."""
    if place is not None and place is not CPU:
        device(place)


def to_arguments(op: str, args: tuple[Any, ...], dtype: Any, place: Any) -> Any:
    """The dtype (or None) that a call of `to` asks for: `to(dtype)`, `to(device, dtype)`, `to(x)`.

    A tensor stands for its dtype.
    """
    for arg in args:
        if isinstance(arg, device) or (isinstance(arg, str) and arg.split(":")[0] in _KINDS):
            on_cpu(arg)
        elif arg is not None and not isinstance(arg, bool):  # non_blocking and copy come as bools
            dtype = arg
    if len(args) > 4:
        raise TypeError(f"{op}: expected a dtype, a device or both, got {len(args)} arguments")
    on_cpu(place)
    return dtype if isinstance(dtype, type) else getattr(dtype, "dtype", dtype)
