"""Where NaN and infinities come from: the ops that first made them, and all that they reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyautograd.graph import FREED, Node, arrays, kept_values
from pyautograd.tape import run_backward
from pyautograd.viz import text
from pyautograd.viz.graph import Graph, Summary, Vertex


@dataclass(frozen=True)
class Bad:
    """What is wrong in a graph: the vertices that bad values passed, and the first of them.

    gradients: of those whose gradient is bad, what it is like. caption: all that in a line.
    """

    keys: set[int] = field(default_factory=set)
    first: set[int] = field(default_factory=set)
    gradients: Mapping[int, Summary] = field(default_factory=dict)
    caption: str = ""


def find_bad(graph: Graph) -> Bad:
    """NaN and infinities among the values; where those are finite, among the gradients."""
    known = {key: v.summary for key, v in graph.vertices.items() if v.summary is not None}
    bad = {key for key, summary in known.items() if summary.is_bad}
    if bad:
        unknown = set(graph.vertices) - set(known)
        forward = {key: [e.source for e in graph.inputs_of[key]] for key in graph.vertices}
        keys, first = _spread(graph.vertices, forward, bad, unknown)
        return Bad(keys, first, {}, f"NaN or infinite first in {_named(graph, first)}")
    gradients = _gradients(graph)
    if gradients is None:
        return Bad(caption="no NaN or infinity among the values that are known")
    summaries = {key: Summary.of(g) for key, g in gradients.items()}
    bad = {key for key, summary in summaries.items() if summary.is_bad}
    if not bad:
        return Bad(caption="no NaN or infinity, neither in the values nor in the gradients")
    backward = {key: [e.target for e in graph.outputs_of[key]] for key in graph.vertices}
    keys, reached = _spread(list(graph.vertices)[::-1], backward, bad, set())
    makers = {k for key in reached for k in backward[key] if _makes_bad(graph, k, gradients)}
    makers = makers or reached
    caption = f"NaN or infinite first in the gradient made by {_named(graph, makers)}"
    return Bad(keys | makers, makers, {key: summaries[key] for key in bad}, caption)


def _spread(
    order: Iterable[int], before: Mapping[int, list[int]], bad: set[int], unknown: set[int]
) -> tuple[set[int], set[int]]:
    """The bad ones with the unknown between them; and the bad ones that none leads to."""
    reached: dict[int, bool] = {}
    behind: set[int] = set()
    for key in order:
        reads = before[key]
        reached[key] = any(k in bad or (k in unknown and reached[k]) for k in reads)
    stack = list(bad)
    while stack:
        for key in before[stack.pop()]:
            if key in unknown and reached[key] and key not in behind:
                behind.add(key)
                stack.append(key)
    return bad | behind, {key for key in bad if not reached[key]}


def _gradients(graph: Graph) -> dict[int, Any] | None:
    """The gradient of each vertex on the tape; None where a backward is not possible."""
    nodes: dict[Node, int] = {v.node: key for key, v in graph.vertices.items() if v.node}
    results = [graph.vertices[key] for key in graph.outputs]
    if any(v.node is None or v.value is None or v.value.size != 1 for v in results):
        return None
    if not results or any(node.kept is FREED for node in nodes):
        return None
    roots: list[Node] = [v.node for v in results if v.node is not None]
    seeds = [np.ones_like(v.value) for v in results]
    found = run_backward(roots, seeds, False, True, list(nodes))
    return {nodes[node]: g for node, g in found.items() if g is not None}


def _makes_bad(graph: Graph, key: int, gradients: Mapping[int, Any]) -> bool:
    """Whether the gradient rule of a call makes a bad gradient of a good one."""
    node = graph.vertices[key].node
    if node is None or key not in gradients:
        return False
    made = node.op.rule(arrays, gradients[key], kept_values(node), node.edges, *node.attrs)
    return any(g is not None and Summary.of(g).is_bad for g in made)


def _named(graph: Graph, keys: set[int]) -> str:
    """The first of these by label and line."""
    vertex: Vertex = graph.vertices[min(keys)]
    more = f" and {text.count(len(keys) - 1, 'other')}" if len(keys) > 1 else ""
    name = ".".join((*vertex.path, vertex.label)) if vertex.kind == "op" else vertex.label
    return name + more + (f", at {vertex.origin}" if vertex.origin else "")
