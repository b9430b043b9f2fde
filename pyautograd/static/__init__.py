"""Static graphs: programs that are traced once, optimised, and run as native plans.

Two doors: `pyautograd.compile` takes a function; `placeholder`, ops on symbols, and `compile` here
build a graph by hand.
"""

from typing import TYPE_CHECKING, Any

from pyautograd.graph import GraphError
from pyautograd.static.feed import GraphFunction
from pyautograd.static.function import Compiled
from pyautograd.static.placeholder import compile, placeholder

if TYPE_CHECKING:
    from pyautograd.static.file import load as load


def __getattr__(name: str) -> Any:
    if name == "load":  # with what reads files, at first use
        from pyautograd.static.file import load

        return load
    raise AttributeError(f"module 'pyautograd.static' has no attribute {name!r}")


__all__ = ["Compiled", "GraphError", "GraphFunction", "compile", "load", "placeholder"]
