"""`page`: a graph to step through in a browser, as one HTML file that needs nothing else."""

from __future__ import annotations

import html
import inspect
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyautograd.graph import Node
from pyautograd.modes import refuse_in_graph
from pyautograd.op import Op, has_values
from pyautograd.origin import users_frame
from pyautograd.tensor import Tensor
from pyautograd.viz.backward import Visit, walk
from pyautograd.viz.folding import arrangements
from pyautograd.viz.formulas import SYMBOLS, formula, unknown
from pyautograd.viz.graph import Graph, Vertex
from pyautograd.viz.math import as_mathml
from pyautograd.viz.packed import Arrays

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("values", "heat", "camera", "graph", "windows", "panel", "player")


class Page:
    """What `page` returns: `save(path)` writes it, notebooks show it.

    html: the whole file.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, in UTF-8."""
        Path(path).write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        source = html.escape(self.html, quote=True)
        return (
            f'<iframe srcdoc="{source}" style="width:100%;height:640px;border:0" '
            'title="computation graph, step by step"></iframe>'
        )


def page(
    target: Tensor,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    names: Mapping[str, Any] | None = None,
) -> Page:
    """The graph behind a tensor, to step through in a browser: forward, then backward.

    The page shows each value, the formula and the local derivative of each op, and the gradients
    as they arrive; the windows of convolutions and poolings move over their inputs. It is one
    HTML file, which is written to `path` if one is given, and needs no network.

    target: any tensor, before `backward()` or after `backward(retain_graph=True)`. Backward starts
    from 1; of a tensor with several elements, from ones, which gives the gradient of their sum.
    title: what stands above; the name of the variable without it.
    names: tensors and modules by the names to show; without it, the caller's variables.

    The tape keeps only what backward needs. Values that do not follow from it are shown as not
    kept; what is computed under `record()` is shown whole. Of large arrays the page holds the
    first elements, and says so. Nothing changes: no `grad`, no graph, and no hook is run.

    TypeError for what is no tensor; RuntimeError where backward has freed what the graph kept.

    >>> import pyautograd as ag
    >>> price = ag.tensor(100.0, requires_grad=True)
    >>> total = price * 2.0 * 1.1
    >>> ag.viz.page(total, "total.html")  # doctest: +SKIP
    """
    refuse_in_graph("viz.page")
    if not isinstance(target, Tensor):
        raise TypeError(f"page: expected a tensor, got {type(target).__name__}")
    if not has_values(target):
        raise TypeError("page: the tensor has no values that Python could read here")
    if names is None:
        frame = users_frame()
        names = {**frame.f_globals, **frame.f_locals}
    made = Page(_html(_Data(target, names, title).collected()))
    if path is not None:
        made.save(path)
    return made


# ---- what the page shows -------------------------------------------------------------------------


class _Data:
    """All that a page shows of a tensor's graph, as plain lists and numbers."""

    def __init__(self, target: Tensor, names: Mapping[str, Any], title: str | None) -> None:
        self.target = target
        self.title = title
        self.visits: list[Visit] = []
        self.leaf_grads: dict[Any, Any] = {}
        if target._node is not None:
            seed = np.ones(target.shape, target.dtype)
            self.visits, self.leaf_grads = walk(target._node, seed)
        self.graph = Graph.of(target, names)
        self.output = self.graph.outputs[0]
        self.keys = {v.node: k for k, v in self.graph.vertices.items() if v.node is not None}
        self.arrays = Arrays()
        self.symbols = _symbols(self.graph, names)
        self.formulas: dict[str, int] = {}

    def collected(self) -> dict[str, Any]:
        vertices = self.graph.vertices.values()
        visits = {self.keys[visit.node]: visit for visit in self.visits}
        nodes = [self._node(vertex, visits.get(vertex.key)) for vertex in vertices]
        edges = [
            {
                "source": edge.source,
                "target": edge.target,
                "slot": edge.slot,
                "sent": self._of_visit(visits, edge, "sent"),
                "local": self._of_visit(visits, edge, "local"),
            }
            for edge in self.graph.edges
        ]
        symbol = self.symbols[self.output]
        return {
            "title": self.title or symbol,
            "output": self.output,
            "several": self.target.numel() != 1,
            "nodes": nodes,
            "edges": edges,
            "forward": [v.key for v in vertices if v.kind == "op"],
            "backward": [self.keys[visit.node] for visit in self.visits],
            "tape": self.target._node is not None,
            "formulas": [json.loads(text) for text in self.formulas],
            "arrays": self.arrays.packed(),
            **arrangements(self.graph),
        }

    def _of_visit(self, visits: Mapping[int, Visit], edge: Any, what: str) -> int | None:
        visit = visits.get(edge.target)
        return None if visit is None else self.arrays.add(getattr(visit, what).get(edge.slot))

    def _node(self, vertex: Vertex, visit: Visit | None) -> dict[str, Any]:
        grad = visit.arriving if visit else None
        if visit is None and vertex.node is not None:
            grad = self.leaf_grads.get(vertex.node)
        if vertex.key == self.output and grad is None and self.target._node is not None:
            grad = np.ones(self.target.shape, self.target.dtype)
        return {
            "kind": vertex.kind,
            "label": vertex.label,
            "glyph": SYMBOLS.get(vertex.label, "") if vertex.kind == "op" else "",
            "symbol": self.symbols[vertex.key],
            "shape": vertex.shape,
            "dtype": None if vertex.dtype is None else str(vertex.dtype),
            "value": self.arrays.add(vertex.value),
            "grad": self.arrays.add(grad),
            "path": list(vertex.path),
            "origin": _origin(vertex.origin),
            "hooked": _has_hooks(vertex.node),
            **(self._call(vertex) if vertex.kind == "op" else {}),
        }

    def _call(self, vertex: Vertex) -> dict[str, Any]:
        """What only the call of an op has."""
        edges = {edge.slot: edge.source for edge in self.graph.inputs_of[vertex.key]}
        count = max([len(vertex.node.edges) if vertex.node else 0, *(s + 1 for s in edges)])
        slots = [edges.get(slot) for slot in range(count)]
        missing = frozenset(slot for slot, source in enumerate(slots) if source is None)
        known = isinstance(vertex.op, Op)  # and no function of the user's, of whatever name
        made = (
            formula(vertex.label, vertex.attrs, count, missing)
            if known
            else unknown(vertex.label, count)
        )
        text = json.dumps(as_mathml(made))
        return {
            "slots": slots,
            "formula": self.formulas.setdefault(text, len(self.formulas)),
            "attrs": _attributes(vertex),
            "windows": _windows(vertex),
        }


def _symbols(graph: Graph, names: Mapping[str, Any]) -> dict[int, str]:
    """What each value is called in formulas: its variable, or v1, v2, ... in the order of calls."""
    variables = {
        x._node: name
        for name, x in reversed(list(names.items()))
        if isinstance(x, Tensor) and x._node is not None and not name.startswith("_")
    }
    symbols: dict[int, str] = {}
    calls = constants = 0
    for key, vertex in graph.vertices.items():
        if vertex.kind == "op":
            calls += 1
            named = variables.get(vertex.node) if vertex.node is not None else None
            symbols[key] = named or f"v{calls}"
        elif vertex.kind == "constant" and (vertex.value is None or vertex.value.size != 1):
            constants += 1
            symbols[key] = f"c{constants}"
        else:
            last = vertex.label.rsplit(".", 1)[-1] if vertex.kind == "parameter" else vertex.label
            symbols[key] = last
    return symbols


def _has_hooks(node: Node | None) -> bool:
    """Whether hooks of the user's may change the gradients on their way."""
    hooks = None if node is None else node.hooks
    return hooks is not None and bool(hooks.tensor or hooks.pre or hooks.post)


def _origin(origin: str | None) -> dict[str, str] | None:
    found = re.match(r"(.*?):(\d+)(?:: (.*))?$", origin or "", re.DOTALL)
    if found is None:
        return None
    file, line, code = found.groups()
    return {"file": os.path.basename(file), "line": line, "code": code or ""}


def _attributes(vertex: Vertex) -> list[tuple[str, str]]:
    """The arguments of the call that are no arrays, by the names in the op's shape rule."""
    if not isinstance(vertex.op, Op) or not vertex.attrs:
        return []
    try:
        parameters = list(inspect.signature(vertex.op.infer).parameters.values())
    except (TypeError, ValueError):
        return []
    listed = parameters[1 if vertex.op.inputs < 0 else vertex.op.inputs :]
    if len(listed) != len(vertex.attrs) or any(p.kind == p.VAR_POSITIONAL for p in listed):
        return []
    return [
        (p.name, str(value))
        for p, value in zip(listed, vertex.attrs, strict=True)
        if not p.name.startswith("_")
        and isinstance(value, (bool, int, float, str, tuple))
        and not _holds_arrays(value)
    ]


def _holds_arrays(value: Any) -> bool:
    return isinstance(value, tuple) and any(
        isinstance(x, np.ndarray) or _holds_arrays(x) for x in value
    )


def _windows(vertex: Vertex) -> dict[str, Any] | None:
    """How windows move over the input, for the ops that have some."""
    if not isinstance(vertex.op, Op):
        return None
    if vertex.label == "conv2d":
        stride, padding, dilation, groups = vertex.attrs
        named = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return {"type": "conv", **named}
    if vertex.label == "unfold":
        kernel, dilation, padding, stride = vertex.attrs
        named = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        return {"type": "unfold", "groups": 1, **named}
    if vertex.label == "max_pool2d":
        kernel, stride, padding, dilation, _ = vertex.attrs
        named = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        return {"type": "max", **named}
    if vertex.label == "avg_pool2d":
        rows, columns = [[part.tolist() for part in windows] for windows in vertex.attrs]
        return {"type": "avg", "rows": rows, "columns": columns}
    return None


# ---- the file ------------------------------------------------------------------------------------


def _html(data: dict[str, Any]) -> str:
    content = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    parts = {
        "title": html.escape(data["title"]),
        "style": _asset("page.css"),
        "data": content.replace("<", "\\u003c"),
        "script": "\n".join(_asset(f"{name}.js") for name in _SCRIPTS),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
