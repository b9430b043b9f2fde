"""Common subexpressions: the same op of the same values is called once."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.static.graph import Graph, Value


def share_common(graph: Graph) -> str:
    """Puts the first of equal calls in the place of the others.

    Values that are read from memory on either side of a write to it are different values, so calls
    that look alike are.
    """
    first: dict[Any, list[Value]] = {}
    instead: dict[Value, Value] = {}
    kept = []
    for call in graph.calls:
        call.operands = [instead.get(x, x) if isinstance(x, Value) else x for x in call.operands]
        if call.op is None:
            kept.append(call)
            continue
        # 1, 1.0 and True are equal, and 0.0 and -0.0, but make different calls.
        numbers = tuple([x if isinstance(x, Value) else repr(x) for x in call.operands])
        key = (call.name, numbers, repr(call.attrs) if call.attrs else None)
        try:
            known = first.setdefault(key, call.outputs)
        except TypeError:
            known = call.outputs
        if known is call.outputs or any(_has_array(a) for a in call.attrs):
            kept.append(call)
        else:
            instead.update(zip(call.outputs, known, strict=True))
    shared = len(graph.calls) - len(kept)
    graph.calls = kept
    graph.results = [instead.get(y, y) for y in graph.results]
    return f"common subexpressions: {shared} calls shared"


def _has_array(attribute: Any) -> bool:
    """Whether it holds what `repr` does not tell apart."""
    if isinstance(attribute, (tuple, list)):
        return any(map(_has_array, attribute))
    plain = (int, float, str, slice, type(None), type(...), np.dtype)
    return not isinstance(attribute, plain)
