"""Static graphs: programs that are traced once, optimised, and run as native plans."""

from pyautograd.graph import GraphError
from pyautograd.static.function import Compiled, compile

__all__ = ["Compiled", "GraphError", "compile"]
