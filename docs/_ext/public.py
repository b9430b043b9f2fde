"""`{public} namespace`: the reference of public names, from their docstrings.

    ```{public} pyautograd
    :from: pyautograd.ops.elementwise
    ```

documents the names of that module's `__all__` which the namespace has, but for those of an
`:except:`; instead of `:from:`, the names may be listed. So a new op of a family appears of itself.
`documented()` reads the same pages without Sphinx: a test compares it with `public_names()`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

API = Path(__file__).resolve().parent.parent / "api"
NAMESPACES = (
    "autograd", "autograd.forward_ad", "autograd.functional", "autograd.graph", "data", "func",
    "linalg", "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "optim",
    "optim.lr_scheduler", "profiler", "static", "utils.checkpoint", "viz",
)  # fmt: skip
DIRECTIVE = re.compile(r"^```\{public\} (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def is_public(namespace: types.ModuleType, name: str) -> bool:
    value = getattr(namespace, name)
    foreign = isinstance(value, types.ModuleType) or value is typing.Any
    future = getattr(value, "__class__", None).__module__ == "__future__"
    return not (name.startswith("_") or foreign or future or name == "TYPE_CHECKING")


def public_names() -> set[str]:
    """Every public name, as a user writes it: `pyautograd.nn.functional.relu`."""
    top = importlib.import_module("pyautograd")
    found = {f"pyautograd.{name}" for name in {*dir(top), *top._LAZY} if is_public(top, name)}
    for path in NAMESPACES:
        module = importlib.import_module(f"pyautograd.{path}")
        found |= {f"pyautograd.{path}.{name}" for name in module.__all__ if is_public(module, name)}
    return found


def names_of(namespace: str, body: str) -> list[str]:
    """What a directive documents."""
    module = importlib.import_module(namespace)
    options = dict(re.findall(r"^:(\w+): (.*)$", body, re.MULTILINE))
    if "from" not in options:
        return [f"{namespace}.{name}" for name in body.split()]
    left_out = options.get("except", "").split()
    return [
        f"{namespace}.{name}"
        for name in importlib.import_module(options["from"]).__all__
        if name not in left_out and hasattr(module, name) and is_public(module, name)
    ]


def documented() -> Iterator[str]:
    """The names in all pages' directives."""
    for page in API.glob("*.md"):
        for found in DIRECTIVE.finditer(page.read_text(encoding="utf-8")):
            yield from names_of(found[1], found[2])


def lookup(full: str) -> Any:
    namespace, _, name = full.rpartition(".")
    return getattr(importlib.import_module(namespace), name)


def entry(full: str) -> list[str]:
    """The autodoc directive of a name."""
    value = lookup(full)
    if inspect.isclass(value):
        return [f".. autoclass:: {full}", *members(value), ""]
    if callable(value):
        return [f".. autofunction:: {full}", ""]
    return [f".. data:: {full}", f"   :value: {value!r}", ""]


def members(cls: type) -> list[str]:
    """A layer's methods are Module's; other classes list their own."""
    from pyautograd.nn import Module

    layer = issubclass(cls, Module) and cls is not Module
    return [] if layer or cls.__module__ == "numpy" else ["   :members:"]


def setup(app: Any) -> dict[str, Any]:
    from docutils import nodes
    from docutils.statemachine import StringList
    from sphinx.util.docutils import SphinxDirective
    from sphinx.util.parsing import nested_parse_to_nodes

    class Public(SphinxDirective):
        required_arguments = 1
        has_content = True
        option_spec: typing.ClassVar = {"from": str, "except": str}

        def run(self) -> list[nodes.Node]:
            options = [f":{name}: {value}" for name, value in self.options.items()]
            found = names_of(self.arguments[0], "\n".join([*options, *self.content]))
            lines = [line for full in found for line in entry(full)]
            text = ["```{eval-rst}", *lines, "```"]
            return nested_parse_to_nodes(self.state, StringList(text, "public"))

    app.add_directive("public", Public)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
