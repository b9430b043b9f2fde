"""The less used families load when one of their names is first asked for: import stays fast."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pyautograd.tensor import Tensor

_FAMILIES = (
    "arithmetic", "arrange", "conversions", "factor", "positions", "products", "sampling", "sets",
    "statistics", "aliases",
)  # fmt: skip
_loaded: list[Any] = []


def families() -> list[Any]:
    """The modules, with their methods attached to Tensor."""
    if not _loaded:
        _loaded.extend([import_module(f"pyautograd.ops.{name}") for name in _FAMILIES])
    return _loaded


def function(name: str) -> Any:
    """The function of that name, or None."""
    if name.startswith("_"):
        return None
    return next((getattr(f, name) for f in families() if name in f.__all__), None)


def _method(self: Tensor, name: str) -> Any:
    if not _loaded and not name.startswith("_"):
        families()
        return getattr(self, name)
    found = getattr(type(self), name, None)
    if isinstance(found, property) and found.fget is not None:
        return found.fget(self)  # it raised an AttributeError of its own: once more
    raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")


Tensor.__getattr__ = _method  # type: ignore[method-assign]


def _operator(name: str) -> Any:
    """Operators are looked up on the class: this one puts the real one in its place."""

    def run(self: Tensor, other: Any) -> Any:
        families()
        return getattr(Tensor, name)(self, other)

    return run


_OPERATORS = ("__mod__", "__rmod__", "__floordiv__", "__rfloordiv__", "__xor__", "__rxor__")
for _name in _OPERATORS:
    setattr(Tensor, _name, _operator(_name))
