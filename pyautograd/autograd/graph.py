"""Nodes of the graph, and hooks on what they save for backward."""

from pyautograd.graph import *
from pyautograd.graph import __all__
