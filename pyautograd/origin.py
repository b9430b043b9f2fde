"""Which line of the program is running: for messages that name it."""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType
from typing import Any

import numpy as np

# NumPy is no code of the user's either: it may ask a symbol for what it does not know.
_LIBRARIES = tuple([os.path.dirname(module) + os.sep for module in (__file__, np.__file__)])


def is_library(kind: Any) -> bool:
    """Whether a function, or a class, is of this package, NumPy or Python's own."""
    code = getattr(kind, "__code__", None)
    if code is not None:
        return code.co_filename.startswith(_LIBRARIES)
    return kind.__module__.partition(".")[0] in ("builtins", "numpy", "pyautograd")


def users_frame() -> FrameType:
    """The innermost frame outside this package and NumPy."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    return frame


def users_line() -> str:
    """The innermost line outside this package, as `file:line: source`."""
    frame = users_frame()
    return _line(frame, frame.f_lineno)


def _line(frame: FrameType, number: int) -> str:
    name = frame.f_code.co_filename
    source = linecache.getline(name, number, frame.f_globals).strip()
    return f"{name}:{number}" + (f": {source}" if source else "")


def users_line_of(error: BaseException) -> str:
    """The line outside this package that called what raised the error."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_LIBRARIES):
            found = trace
        trace = trace.tb_next
    if found is None:
        return users_line()
    return _line(found.tb_frame, found.tb_lineno)
