"""Changes the table of a saved graph at random, and loads and runs it: see test_graph_file.py."""

from __future__ import annotations

import json
import random
import resource
import sys
import zipfile
from typing import Any

import pyautograd as ag

VALUES = [
    0, 1, -1, 2, 3, 7, 1000, 2**31, -(2**62), 0.5, 1e300, None, True, "", "mean", [], [1, 2],
    {"float": "nan"}, {"tuple": [0, 0]}, {"tuple": [-5, 3]}, {"ellipsis": None},
    {"slice": [None, None, None]}, {"dtype": "float64"}, {"value": 0}, {"value": 3},
]  # fmt: skip


def nodes(tree: Any) -> list[tuple[Any, Any]]:
    """The containers in a tree, each with its keys."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    found = [(tree, key) for key in keys]
    for key in keys:
        if isinstance(tree[key], (dict, list)):
            found += nodes(tree[key])
    return found


def main(path: str, seed: int, rounds: int = 150) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a shape may be anything
    random.seed(seed)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["graph.json"].decode()
    refused = ran = 0
    for _ in range(rounds):
        table = json.loads(text)
        for _ in range(random.choice((1, 1, 2, 3))):
            tree, key = random.choice(nodes(table["calls"]))
            tree[key] = random.choice(VALUES)
        parts["graph.json"] = json.dumps(table).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
        try:
            ag.static.load(path)(ag.ones(3, 1, 6, 6))
            ran += 1
        except (ValueError, TypeError, IndexError, MemoryError):
            refused += 1
    print(f"{refused} refused, {ran} ran")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
