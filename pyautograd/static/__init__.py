"""Static graphs: programs that are traced once, optimised, and run as native plans.

Two doors: `pyautograd.compile` takes a function; `placeholder`, ops on symbols, and `compile` here
build a graph by hand.
"""

from pyautograd.graph import GraphError
from pyautograd.static.feed import GraphFunction
from pyautograd.static.file import load
from pyautograd.static.function import Compiled
from pyautograd.static.placeholder import compile, placeholder

__all__ = ["Compiled", "GraphError", "GraphFunction", "compile", "load", "placeholder"]
