"""Dead code: calls whose results nobody reads."""

from __future__ import annotations

from pyautograd.static.graph import Graph, Value


def drop_dead(graph: Graph) -> str:
    """Drops calls that lead to no result and no effect."""
    needed: set[Value] = set(graph.results)
    kept = []
    for call in reversed(graph.calls):
        if call.has_effect or not needed.isdisjoint(call.outputs):
            kept.append(call)
            needed.update(call.values())
    dropped = len(graph.calls) - len(kept)
    graph.calls = kept[::-1]
    return f"dead code: {dropped} calls dropped"
