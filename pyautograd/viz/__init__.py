"""Pictures of what is computed: the graph behind a tensor, or of a compiled function."""

from pyautograd.viz.drawing import Drawing, draw
from pyautograd.viz.page import Page, page
from pyautograd.viz.record import record

__all__ = ["Drawing", "Page", "draw", "page", "record"]
