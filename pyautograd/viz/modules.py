"""Which module each recorded call belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyautograd.graph import Node
from pyautograd.tensor import Tensor
from pyautograd.viz.names import Names, Path
from pyautograd.viz.record import Note


def module_paths(
    nodes: Sequence[Node],
    leaves: Mapping[Node, Tensor | None],
    notes: Mapping[Node, Note | None],
    names: Names,
) -> tuple[dict[Node, Path], dict[Path, str]]:
    """The modules around each node, and the class of each module's group.

    As `record` noted it; or else from two things the tape has: which calls read a module's
    parameters, and which made its output. What lies on a way from the first to the second is part
    of the module. nodes: each after its inputs.
    """
    place = {node: i for i, node in enumerate(nodes)}
    starts: dict[Path, list[int]] = {}
    ends: dict[Path, list[int]] = {}
    paths: dict[Node, Path] = {}
    for i, node in enumerate(nodes):
        note = notes[node]
        if note is not None:
            paths[node] = note.path(names)
            continue
        inner = [_owner(leaves[e], names) for e in node.edges if e is not None and e in leaves]
        owners = [path for path in inner if path is not None]
        if owners:
            paths[node] = _common(owners)
            for depth in range(1, len(paths[node]) + 1):
                starts.setdefault(paths[node][:depth], []).append(i)
        if node.edges and hasattr(node, "module"):
            for module in names.ends(node.module):
                if names.paths.get(module):
                    ends.setdefault(names.paths[module], []).append(i)
    for path in sorted(ends, key=len, reverse=True):
        for i in _inside(nodes, place, starts.get(path, []), ends[path]):
            paths.setdefault(nodes[i], path)
    return {node: paths.get(node, ()) for node in nodes}, names.groups()


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
    nodes: Sequence[Node], place: Mapping[Node, int], starts: list[int], ends: list[int]
) -> set[int]:
    """The places of the nodes between the starts and an end, without those of another call."""
    found = set(ends)
    for end in ends:
        before = [i for i in starts if i <= end and not any(i <= e < end for e in ends)]
        if not before:
            continue
        behind, stack = {end}, [end]
        while stack:
            for edge in nodes[stack.pop()].edges:
                i = -1 if edge is None else place[edge]
                if i >= before[0] and i not in behind and i not in ends:
                    behind.add(i)
                    stack.append(i)
        within = set(before) & behind
        for i in sorted(behind):
            if any(edge is not None and place[edge] in within for edge in nodes[i].edges):
                within.add(i)
        found |= within
    return found
