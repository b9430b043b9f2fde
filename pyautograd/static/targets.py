"""Where the results of calls go that are written to memory of the program, or handed out."""

from __future__ import annotations

from typing import Any

from pyautograd import modes
from pyautograd.static.graph import Call, Graph, Value, is_view


def targets(graph: Graph) -> dict[Value, Any]:
    """Values that are computed right where they go: the target of a write, or "result".

    Only where nothing reads the target's old content between the computation and the write.
    """
    place: dict[Value, Any] = {}
    read_from = graph.memory()
    made = {y: i for i, call in enumerate(graph.calls) if not is_view(call) for y in call.outputs}
    for at, call in enumerate(graph.calls):
        if call.name != "write":
            continue
        target, value = call.operands
        memory = target.source
        if value not in made or value in place or not memory.flags.c_contiguous:
            continue
        if value.shape != target.shape or not memory.flags.aligned:
            continue
        owner = modes.owner(memory)
        between = graph.calls[made[value] : at]
        if not any(_touches(c, owner, read_from) for c in between):
            place[value] = target
    seen: set[Value] = set()
    for y in graph.results:
        if y in made and y not in place and y not in seen:
            place[y] = "result"
        seen.add(y)
    return place


def _touches(call: Call, owner: Any, read_from: dict[Value, Any]) -> bool:
    return call.name == "optimizer" or any(read_from.get(x) is owner for x in call.values())
