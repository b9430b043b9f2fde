"""What a function's code names outside of itself: the values that a trace of it has read."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from pyautograd.graph import GraphError, Symbol
from pyautograd.nn.module import Module
from pyautograd.origin import is_library
from pyautograd.tensor import Tensor

_PLAIN = (int, float, str, bytes, bool, type(None))


class Outside:
    """The values that a function's own code names, as they were when this was made.

    They are its globals and its closure, and of plain objects and dicts among them (and among the
    arguments) the attributes and the keys that the code names: `self.scale`, `settings["scale"]`.
    Functions of the same file that it names are part of it.

    tensors, modules, optimizers: those that were found on the way.
    """

    def __init__(self, function: Callable[..., Any], arguments: list[Any]) -> None:
        self.tensors: list[Tensor] = []
        self.modules: list[Module] = []
        self.optimizers: list[Any] = []
        self.cells: list[tuple[Any, Any]] = []  # and what was in each
        self.named: list[tuple[dict[str, Any], str, Any]] = []  # and what was there at the key
        self._texts: list[str] = []  # how the code says cells and names, for messages
        self._containers: list[tuple[Any, str, Any]] = []  # dicts and lists, with a copy of each
        self._seen: set[int] = set()
        self._names = _Names()
        self._visit(function, "", set(), None)
        for x in arguments:
            self._visit(x, type(x).__name__, self._names.parameters, None)

    def leaves(self) -> Iterator[Tensor]:
        """Tensors whose gradients the function may set."""
        yield from self.tensors
        for module in self.modules:
            yield from module.parameters()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                yield from group["params"]

    def changed(self) -> Iterator[str]:
        """What has another value now."""
        for text, (now, before) in zip(self._texts, self._pairs(), strict=True):
            if not same_value(now, before):
                yield text

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """The values of now and of before."""
        for cell, before in self.cells:
            yield getattr(cell, "cell_contents", None), before
        for where, key, before in self.named:
            yield where.get(key), before

    def refuse_symbols(self) -> None:
        """After a trace: GraphError where the function has put a tensor that it computes there.

        Takes it out again.
        """
        found = ""
        for text, (cell, before) in zip(self._texts, self.cells, strict=False):
            if is_symbol(getattr(cell, "cell_contents", None)):
                cell.cell_contents, found = before, text
        for text, (where, key, before) in zip(
            self._texts[len(self.cells) :], self.named, strict=True
        ):
            if is_symbol(where.get(key)):
                where[key], found = before, text
        for container, text, copy in self._containers:
            items = container.values() if isinstance(container, dict) else container
            if any(map(is_symbol, items)):
                container.clear()
                (container.update if isinstance(container, dict) else container.extend)(copy)
                found = text
        self._containers = []
        if found:
            raise GraphError(
                f"compile: the function puts a tensor that it computes into {found}, which would "
                "not be done again at each run; return the tensor instead"
            )

    # ---- what there is ---------------------------------------------------------------------------

    def _visit(self, x: Any, text: str, names: set[str], within: dict[str, Any] | None) -> None:
        """Takes in a value.

        names: how the code may call it, where it asks for attributes.
        within: the globals of the function that names it.
        """
        if id(x) in self._seen:
            return
        self._seen.add(id(x))
        if isinstance(x, Tensor):
            self.tensors.append(x)
        elif isinstance(x, Module):
            self.modules.append(x)
        elif isinstance(getattr(x, "param_groups", None), list):
            self.optimizers.append(x)
        elif isinstance(x, types.FunctionType):
            if within is None or x.__globals__ is within:
                self._visit_function(x)
        elif isinstance(x, types.MethodType):
            self._visit(x.__func__, text, names, within)
            self._visit(x.__self__, "self", self._names.parameters, within)
        elif isinstance(x, functools.partial):
            for y in (x.func, *x.args, *x.keywords.values()):
                self._visit(y, text, self._names.parameters, within)
        elif type(x) is list:
            self._containers.append((x, text, x.copy()))
        elif type(x) is dict:
            self._containers.append((x, text, x.copy()))
            for key in [key for key in x if key in self._names.strings]:
                self._add(x, key, f"{text}[{key!r}]", key, within)
        elif hasattr(type(x), "__call__") and "__wrapped__" in getattr(x, "__dict__", ()):  # noqa: B004
            self._visit(x.__wrapped__, text, names, within)  # compiled, or cached
        elif not isinstance(x, (type, types.ModuleType)) and not is_library(type(x)):
            attributes = getattr(x, "__dict__", None)
            if type(attributes) is dict:
                self._containers.append((attributes, text, attributes.copy()))
                asked = {name for owner, name in self._names.attributes if owner in names}
                for name in [name for name in attributes if name in asked]:
                    self._add(attributes, name, f"{text}.{name}", name, within)

    def _visit_function(self, function: Any) -> None:
        code = function.__code__
        own = not is_library(function)
        if own:  # a decorator of a library only leads to the function that it was given
            self._names.add(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # not set yet
            if own and not isinstance(value, types.ModuleType):
                self.cells.append((cell, value))
                self._texts.insert(len(self.cells) - 1, name)
            self._visit(value, name, {name}, None)
        if own:
            names = function.__globals__
            for name in sorted(_Names(code).globals & names.keys()):
                if not isinstance(names[name], types.ModuleType):
                    self._add(names, name, name, name, names)

    def _add(self, where: dict[str, Any], key: str, text: str, name: str, within: Any) -> None:
        value = where[key]
        self.named.append((where, key, value))
        self._texts.append(text)
        self._visit(value, text, {name}, within)


class _Names:
    """What code, and the functions that it makes, ask for by name.

    attributes: (what is asked, as a variable or an attribute is called; the attribute).
    """

    def __init__(self, code: Any = None) -> None:
        self.globals: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.strings: set[str] = set()
        self.parameters: set[str] = set()
        if code is not None:
            self.add(code)

    def add(self, code: Any) -> None:
        import dis  # slow to load

        self.parameters.update(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        owner = ""
        for instruction in dis.get_instructions(code):
            kind, name = instruction.opname, instruction.argval
            if kind in ("LOAD_ATTR", "LOAD_METHOD"):
                self.attributes.add((owner, name))
                owner = name
            elif kind.startswith("LOAD_") and kind != "LOAD_CONST":
                if kind in ("LOAD_GLOBAL", "LOAD_NAME"):
                    self.globals.add(name)
                owner = name[-1] if isinstance(name, tuple) else str(name)
            elif kind not in ("COPY", "DUP_TOP", "EXTENDED_ARG"):  # as in self.n += 1
                owner = ""
        for constant in code.co_consts:
            if isinstance(constant, str):
                self.strings.add(constant)
            elif isinstance(constant, types.CodeType):
                self.add(constant)


def is_symbol(x: Any) -> bool:
    """Whether x is a tensor that a program computes while it is traced."""
    return isinstance(x, Tensor) and isinstance(getattr(x, "_array", None), Symbol)


def same_value(a: Any, b: Any) -> bool:
    """Whether two values are one object, or plain values that a program cannot tell apart."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is tuple:
        return len(a) == len(b) and all(map(same_value, a, b))
    return isinstance(a, _PLAIN) and repr(a) == repr(b)  # -0.0 is not 0.0, and nan is nan
