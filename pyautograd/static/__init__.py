"""Static graphs: programs that are traced once, optimised, and run as native plans."""

from pyautograd.static.function import Compiled, compile
from pyautograd.static.graph import GraphError

__all__ = ["Compiled", "GraphError", "compile"]
