"""The graph behind tensors, read from the tape: from what nodes keep, and what `record` noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyautograd.graph import ARRAYS, FREED, OUT, SHAPE, Node, kept_values
from pyautograd.modes import modified_since
from pyautograd.op import Op
from pyautograd.tensor import Tensor
from pyautograd.viz.graph import Edge, Graph, Vertex
from pyautograd.viz.modules import marked, module_paths
from pyautograd.viz.names import Names, Path
from pyautograd.viz.record import Note, note_of


def in_order(roots: Sequence[Node]) -> list[Node]:
    """The nodes behind these, each after its inputs; in the order of the inputs, left to right."""
    done: dict[Node, None] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            done[node] = None
        elif node not in done:
            stack.append((node, True))
            stack.extend(
                (edge, False)
                for edge in reversed(node.edges)
                if edge is not None and edge not in done
            )
    return list(done)


def of_tensors(targets: Sequence[Tensor], variables: Mapping[str, Any]) -> Graph:
    """The graph of `Graph.of`."""
    return _Reader(targets, variables).graph()


class _Reader:
    """One reading of a tape."""

    def __init__(self, targets: Sequence[Tensor], variables: Mapping[str, Any]) -> None:
        self.targets = targets
        self.nodes = in_order([t._node for t in targets if t._node is not None])
        leaves = {n: n.kept() for n in self.nodes if not n.edges}
        self.leaves: dict[Node, Tensor | None] = leaves
        notes = {node: note_of(node) for node in self.nodes}
        called = [module for node in self.nodes for module, _ in marked(node)]
        called += [note.modules[0] for note in notes.values() if note and note.modules]
        self.names = Names(variables, called, [t for t in leaves.values() if t is not None])
        self.notes: dict[Node, Note | None] = notes
        self.paths, self.classes = module_paths(self.nodes, self.leaves, notes, self.names)
        self.vertices: dict[int, Vertex] = {}
        self.edges: list[Edge] = []
        self.keys: dict[Any, int] = {}  # of nodes, and of constants by the id of the array
        self.values = {node: t._array for t in targets if (node := t._node) is not None}
        self.layouts: dict[Node, Any] = {}
        for node in self.nodes:
            self._learn(node)

    # ---- what the nodes tell of each other -------------------------------------------------------

    def _learn(self, node: Node) -> None:
        """Notes the values and layouts of its inputs and its output that a node keeps."""
        if not node.edges:
            return
        note = self.notes[node]
        if note is not None and note.output is not None:
            self.values.setdefault(node, note.output)
        for edge, layout in zip(node.edges, node.layouts or (), strict=False):
            if layout is not None and edge is not None:
                self.layouts.setdefault(edge, layout)
        for where, x in self._kept(node).items():
            edge = node.edges[where % SHAPE] if where >= 0 else node
            if edge is not None and where >= SHAPE:
                self.layouts.setdefault(edge, (tuple(x), None))
            elif edge is not None and where >= OUT:
                self.values.setdefault(edge, x)

    def _kept(self, node: Node) -> dict[int, Any]:
        """What the node keeps, by its place in `op.saves`, where it still has its values."""
        if node.kept is None or node.kept is FREED or not isinstance(node.op, Op):
            return {}
        found = zip(node.op.saves, kept_values(node), strict=True)
        return {where: x for where, x in found if x is not None and self._unchanged(x, node)}

    @staticmethod
    def _unchanged(x: Any, node: Node) -> bool:
        return not isinstance(x, np.ndarray) or modified_since(x, node.clock) is None

    # ---- vertices --------------------------------------------------------------------------------

    def graph(self) -> Graph:
        for node in self.nodes:
            if node.edges:
                self._add_call(node)
            else:
                self._add_leaf(node)
        outputs = []
        for t in self.targets:
            key = self._add_constant(t._array) if t._node is None else self.keys[t._node]
            outputs.append(key)
        return Graph(self.vertices, tuple(self.edges), tuple(outputs), self.classes)

    def _add(self, identity: Any, **fields: Any) -> int:
        key = self.keys[identity] = len(self.vertices)
        self.vertices[key] = Vertex(key, **fields)
        return key

    def _add_leaf(self, node: Node) -> None:
        tensor = self.leaves[node]
        if tensor is None:
            shape, dtype = self.layouts.get(node, (None, None))
            self._add(node, kind="input", label="a tensor that is gone", node=node,
                      shape=shape, dtype=dtype, value=self.values.get(node))  # fmt: skip
            return
        array = tensor._array
        path, label = self.names.members.get(id(array), ((), None))
        kind = "input" if label is None else "parameter"
        if label is None:
            label = self.names.variables.get(id(array), "input")
        else:
            label = ".".join((*path, label))
        self._add(node, kind=kind, label=label, node=node, path=path, **_layout(array))

    def _add_call(self, node: Node) -> None:
        operands = self._operands(node)
        value = self.values.get(node)
        if value is None:
            value = self._computed(
                node, [self.vertices[k] if k is not None else None for k in operands]
            )
        shape, dtype = self.layouts.get(node, (None, None))
        if value is not None:
            shape, dtype = value.shape, value.dtype
        elif shape is None or dtype is None:
            shape, dtype = self._inferred(node, operands)
        note = self.notes[node]
        origin = getattr(node, "where", None) or (note.origin if note else None)
        key = self._add(
            node, kind="op", label=node.op.name, op=node.op, attrs=node.attrs, shape=shape,
            dtype=dtype, value=value, path=self.paths[node], origin=origin, node=node,
        )  # fmt: skip
        for slot, source in enumerate(operands):
            if source is not None:
                self.edges.append(Edge(source, key, slot, self.vertices[source].shape))

    def _operands(self, node: Node) -> list[int | None]:
        """The keys of the operands; None for one that is not there, or not known."""
        note, kept = self.notes[node], self._kept(node)
        found: list[int | None] = []
        for i, edge in enumerate(node.edges):
            if edge is not None:
                found.append(self.keys[edge])
                continue
            x = note.inputs[i] if note and i < len(note.inputs) else kept.get(i)
            if x is not None:
                found.append(self._add_constant(x, self.paths[node]))
            elif note is None and node.op.kind == "elementwise":
                found.append(self._add(object(), kind="constant", label="not kept"))
            else:
                found.append(None)
        return found

    def _add_constant(self, x: Any, path: Path = ()) -> int:
        if not isinstance(x, ARRAYS):
            return self._add(object(), kind="constant", label=f"{x:.6g}", shape=(),
                             value=np.asarray(x), path=path)  # fmt: skip
        if id(x) in self.keys:
            return self.keys[id(x)]
        kind, label = "constant", "constant"
        if isinstance(x, np.ndarray) and not x.ndim:
            label = f"{x.item():.6g}"
        if id(x) in self.names.members:
            path, name = self.names.members[id(x)]
            label = ".".join((*path, name))
        elif id(x) in self.names.variables:
            kind, label, path = "input", self.names.variables[id(x)], ()
        return self._add(id(x), kind=kind, label=label, path=path, **_layout(x))

    # ---- what follows from the operands ----------------------------------------------------------

    def _computed(self, node: Node, operands: list[Vertex | None]) -> Any:
        """The value of the call, from its operands', where all are known and as they were then."""
        values: list[Any] = []
        if not isinstance(node.op, Op) or not operands:
            return None
        for edge, vertex in zip(node.edges, operands, strict=True):
            if vertex is None and self._has_no_bias(node, len(values)):
                values.append(None)
                continue
            if vertex is None or vertex.value is None or not self._unchanged(vertex.value, node):
                return None
            values.append(vertex.value if edge is not None or vertex.dtype else vertex.value.item())
        try:
            args = (values,) if node.op.inputs < 0 else values
            result = node.op.forward(*args, *node.attrs)
        except Exception:  # an op of which the tape does not hold all that it takes
            return None
        return result[0] if type(result) is tuple else result

    def _has_no_bias(self, node: Node, slot: int) -> bool:
        """Whether an operand that the tape does not know is a bias that was not given.

        A layer that learns its weight and has a bias learns that too, unless it was frozen.
        """
        note = self.notes[node]
        if note is not None:
            return slot < len(note.inputs)
        if node.op.kind != "contraction" or slot != 2 or node.edges[1] is None:
            return False
        weight = self.leaves.get(node.edges[1])
        path, _ = (
            (None, "") if weight is None else self.names.members.get(id(weight._array), (None, ""))
        )
        return (path, "bias") not in self.names.members.values()

    def _inferred(self, node: Node, operands: list[int | None]) -> tuple[Any, Any]:
        if isinstance(node.op, Op) and node.op.broadcasts and node.layouts is None:
            # The tape notes layouts only where they differ from that of the result.
            known = [self.vertices[k] for k in operands if k is not None]
            found = next((v for v in known if v.node is not None), None)
            return (None, None) if found is None else (found.shape, found.dtype)
        layouts = [None if k is None else _Layout(self.vertices[k]) for k in operands]
        if not isinstance(node.op, Op) or any(x is None or x.shape is None for x in layouts):
            return None, None
        try:
            args = (layouts,) if node.op.inputs < 0 else layouts
            shape, dtype = node.op.infer(*args, *node.attrs)
        except Exception:
            return None, None
        return tuple(shape), dtype


class _Layout:
    """What a shape rule reads of an operand."""

    def __init__(self, vertex: Vertex) -> None:
        self.shape = vertex.shape
        self.dtype = vertex.dtype or np.dtype(np.float32)
        self.ndim = len(vertex.shape or ())


def _layout(array: Any) -> dict[str, Any]:
    value = array if isinstance(array, np.ndarray) else None
    return {"shape": tuple(array.shape), "dtype": array.dtype, "value": value}
