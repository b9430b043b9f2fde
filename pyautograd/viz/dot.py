"""A graph in the language of Graphviz. Needs no library."""

from __future__ import annotations

from collections.abc import Iterator

from pyautograd.viz import text
from pyautograd.viz.boxes import Cards
from pyautograd.viz.names import Path
from pyautograd.viz.tree import Tree

_SHAPES = {"op": "box", "parameter": "ellipse", "input": "ellipse", "constant": "plaintext"}


def dot(tree: Tree, cards: Cards) -> str:
    """The whole graph, groups as clusters."""
    lines = ["digraph {", '  node [fontname="sans-serif"];', *_group(tree, cards, (), "  ")]
    for edge in tree.graph.edges:
        label = _quoted(text.shape(edge.shape))
        lines.append(f"  {edge.source} -> {edge.target} [label={label}];")
    return "\n".join([*lines, "}"])


def _group(tree: Tree, cards: Cards, path: Path, indent: str) -> Iterator[str]:
    for vertex in tree.groups[path].vertices:
        card = cards.card(vertex.key)
        label = _quoted("\n".join([card.title, *card.lines]))
        bad = " color=red" if vertex.key in cards.bad else ""
        yield f"{indent}{vertex.key} [shape={_SHAPES[vertex.kind]} label={label}{bad}];"
    for child in tree.groups[path].groups:
        yield f"{indent}subgraph {_quoted('cluster_' + '/'.join(child))} {{"
        yield f"{indent}  label={_quoted(' '.join([child[-1], cards.card(child).tag]).strip())};"
        yield from _group(tree, cards, child, indent + "  ")
        yield f"{indent}}}"


def _quoted(words: str) -> str:
    escaped = text.known(words).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
