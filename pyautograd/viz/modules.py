"""Which module each recorded call belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyautograd.graph import Node
from pyautograd.nn.module import Module
from pyautograd.tensor import Tensor
from pyautograd.viz.names import Names, Path
from pyautograd.viz.record import Note


def marked(node: Node) -> list[tuple[Module, object]]:
    """The modules whose call ended at the node, innermost first; each with a sign of the call."""
    found: list[tuple[Module, object]] = []
    mark = getattr(node, "module", None)
    while type(mark) is tuple:
        inner, module = mark
        found.append((module, mark if inner is None else node))
        mark = inner
    if mark is not None:
        found.append((mark, node))
    return found[::-1]


def module_paths(
    nodes: Sequence[Node],
    leaves: Mapping[Node, Tensor | None],
    notes: Mapping[Node, Note | None],
    names: Names,
) -> tuple[dict[Node, Path], dict[Path, str]]:
    """The modules around each node, and the class of each module's group.

    As `record` noted it; or else from two things the tape has: which calls read a module's
    parameters, and which made its output. What lies on a way from the first to the second is part
    of the module. Of a module that was called again, the later groups are numbered. nodes: each
    after its inputs.
    """
    place = {node: i for i, node in enumerate(nodes)}
    starts: dict[Path, list[int]] = {}
    calls: dict[Path, dict[int, list[int]]] = {}  # by the sign of the call: where it ended
    paths: dict[int, Path] = {}
    for i, node in enumerate(nodes):
        note = notes[node]
        if note is not None:
            paths[i] = note.path(names)
            continue
        inner = [_owner(leaves[e], names) for e in node.edges if e is not None and e in leaves]
        owners = [path for path in inner if path is not None]
        if owners:
            paths[i] = _common(owners)
            for depth in range(1, len(paths[i]) + 1):
                starts.setdefault(paths[i][:depth], []).append(i)
        for module, call in marked(node) if node.edges else ():
            path = names.paths.get(module)
            if path:
                calls.setdefault(path, {}).setdefault(id(call), []).append(i)
    again: dict[int, dict[int, str]] = {}  # by node and depth: which call of a module it is
    for path in sorted(calls, key=len, reverse=True):
        ends = list(calls[path].values())
        for number, inside in enumerate(_inside(nodes, place, starts.get(path, []), ends)):
            for i in inside:
                paths.setdefault(i, path)
                if number and paths[i][: len(path)] == path:
                    again.setdefault(i, {})[len(path) - 1] = f" ({number + 1})"
    classes = names.groups()
    found = {}
    for i, node in enumerate(nodes):
        path = paths.get(i, ())
        numbered = tuple([name + again.get(i, {}).get(k, "") for k, name in enumerate(path)])
        for depth in range(1, len(path) + 1):
            classes.setdefault(numbered[:depth], classes.get(path[:depth], ""))
        found[node] = numbered
    return found, classes


def _owner(leaf: Tensor | None, names: Names) -> Path | None:
    if leaf is None or id(leaf._array) not in names.members:
        return None
    return names.members[id(leaf._array)][0]


def _common(paths: list[Path]) -> Path:
    """The longest path that all of them start with."""
    first, last = min(paths), max(paths)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]


def _inside(
    nodes: Sequence[Node], place: Mapping[Node, int], starts: list[int], calls: list[list[int]]
) -> list[set[int]]:
    """For each call, which ended at some nodes, the nodes between the starts and these."""
    found = []
    before = -1
    for ends in calls:
        within = {i for i in starts if before < i <= max(ends)}
        behind, stack = set(ends), list(ends)
        lowest = min(within, default=max(ends))
        while stack:
            for edge in nodes[stack.pop()].edges:
                i = -1 if edge is None else place[edge]
                if i >= lowest and i > before and i not in behind:
                    behind.add(i)
                    stack.append(i)
        within &= behind
        for i in sorted(behind):
            if any(edge is not None and place[edge] in within for edge in nodes[i].edges):
                within.add(i)
        found.append(within | set(ends))
        before = max(ends)
    return found
