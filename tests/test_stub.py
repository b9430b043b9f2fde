"""The stub of the extension names what the extension has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pyautograd
from pyautograd import _C

STUB = ast.parse((Path(pyautograd.__file__).parent / "_C.pyi").read_text())


def test_names() -> None:
    functions = {
        node.name for node in STUB.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    assert functions | {"domains", "dtypes", "elementwise", "opcodes"} == {
        name for name in dir(_C) if not name.startswith("_")
    }


def test_numbers_of_arguments() -> None:
    """pybind11 writes `name(arg0: int, arg1: float) -> None` into each docstring."""
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            doc = getattr(_C, node.name).__doc__ or ""
            signature = re.match(rf"{node.name}\((.*)\) ->", doc)
            if signature and "*args" not in signature[1]:
                count = len(re.findall(r"\barg\d+:", signature[1]))
                assert count == len(node.args.posonlyargs), node.name
