"""Backward, watched: which node is visited when, what arrives there and what it sends on.

It is the engine's own walk, with hooks of ours in the place of the user's. No tensor's `grad`
changes, the graph keeps its values, and no hook of the user's runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyautograd.graph import FREED, Node, arrays, kept_values
from pyautograd.modes import lock
from pyautograd.op import Op
from pyautograd.tape import reachable, run_backward


@dataclass(frozen=True, eq=False)
class Visit:
    """One node's turn.

    arriving: the gradient of the node's result, all contributions added.
    sent: the gradient that goes to each operand, by its slot; summed over broadcast dimensions.
    local: the derivative of the result by an operand, element by element, by its slot, where the
        op has one: element-wise ops, and any op from one number to one number.
    """

    node: Node
    arriving: Any
    sent: dict[int, Any]
    local: dict[int, Any]


def walk(root: Node, seed: Any) -> tuple[list[Visit], dict[Node, Any]]:
    """The visits in their order, and the gradients of the leaves.

    RuntimeError where an earlier backward has freed what a node saved.
    """
    with lock:
        nodes = list(reachable(root))
        for node in nodes:
            if node.kept is FREED:
                raise RuntimeError(
                    f"page: backward has freed the values that {node.op.name} saved; make the page "
                    "before loss.backward(), or pass retain_graph=True to it"
                )
        visits: list[Visit] = []
        with _hooks_aside(nodes):
            for node in nodes:
                if node.edges:
                    node.register_hook(partial(_note, visits, node))
            leaves = [node for node in nodes if not node.edges]
            return visits, run_backward([root], [seed], False, True, leaves)


@contextmanager
def _hooks_aside(nodes: Sequence[Node]) -> Iterator[None]:
    hooks = [node.hooks for node in nodes]
    try:
        for node in nodes:
            node.hooks = None
        yield
    finally:
        for node, own in zip(nodes, hooks, strict=True):
            node.hooks = own


def _note(visits: list[Visit], node: Node, sent: Any, arriving: Any) -> None:
    # Of a call with several outputs, the gradient of the first that has one.
    g = next((x._array for x in arriving if x is not None), None)
    # Copies: the engine adds later contributions into what was sent.
    copies = {
        slot: _handed(x, g).copy()
        for slot, (x, edge) in enumerate(zip(sent, node.edges, strict=True))
        if x is not None and edge is not None
    }
    visits.append(Visit(node, None if g is None else g.copy(), copies, _local(node, g, copies)))


def _handed(x: Any, g: Any) -> Any:
    """An array; the nodes of the outputs of a call with several hand `g` on in a list."""
    return g if isinstance(x._array, list) else x._array


def _local(node: Node, g: Any, sent: dict[int, Any]) -> dict[int, Any]:
    op = node.op
    if not isinstance(op, Op) or op.rule is None or g is None:
        return {}
    if op.kind != "elementwise" and any(x.size != 1 for x in (g, *sent.values())):
        return {}
    saved = kept_values(node) if node.kept is not None else None
    grads = op.rule(arrays, np.ones(g.shape, g.dtype), saved, node.edges, *node.attrs)
    return {slot: np.array(grads[slot]) for slot in sent if grads[slot] is not None}
