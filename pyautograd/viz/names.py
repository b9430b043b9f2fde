"""What things are called: parameters by their modules, other tensors by the user's variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyautograd.nn.module import Module
from pyautograd.tensor import Tensor

Path = tuple[str, ...]


class Names:
    """The names of the modules, parameters, buffers and variables that a graph may hold.

    variables: by name, tensors and modules, the caller's.
    called: modules that are known to have been called.
    leaves: the tensors that the graph reads; a variable's module is of interest if it holds one.
    """

    def __init__(
        self, variables: Mapping[str, Any], called: Iterable[Module], leaves: Iterable[Tensor]
    ) -> None:
        self.variables = {
            id(x._array): name
            for name, x in reversed(list(variables.items()))
            if isinstance(x, Tensor) and not name.startswith("_")
        }
        self.paths: dict[Module, Path] = {}
        self.members: dict[int, tuple[Path, str]] = {}  # by the id of the array
        wanted = {id(x) for x in leaves}
        found = dict.fromkeys(called)
        for x in variables.values():
            if isinstance(x, Module) and x not in found and _holds(x, wanted):
                found[x] = None
        roots = _roots(found)
        for root, prefix in zip(roots, _prefixes(roots), strict=True):
            self._add(root, prefix)

    def _add(self, root: Module, prefix: Path) -> None:
        for name, module in root.named_modules():
            path = prefix + tuple(name.split(".")) if name else prefix
            self.paths.setdefault(module, path)
            for members in (module._parameters, module._buffers):
                for key, tensor in members.items():
                    if tensor is not None:
                        self.members.setdefault(id(tensor._array), (path, key))

    def groups(self) -> dict[Path, str]:
        """The class of the module at each path."""
        return {path: type(module).__name__ for module, path in self.paths.items() if path}


def _holds(module: Module, wanted: set[int]) -> bool:
    return any(id(x) in wanted for x in module.parameters())


def _roots(modules: Iterable[Module]) -> list[Module]:
    """Those that are part of no other."""
    listed = list(modules)
    inner = {below for x in listed for below in x.modules() if below is not x}
    return [x for x in listed if x not in inner]


def _prefixes(roots: list[Module]) -> list[Path]:
    """None for a single root with children, as in its state dict; else the class, numbered."""
    if len(roots) == 1 and roots[0]._modules:
        return [()]
    count: dict[str, int] = {}
    prefixes: list[Path] = []
    for root in roots:
        name = type(root).__name__
        count[name] = count.get(name, 0) + 1
        prefixes.append((name if count[name] == 1 else f"{name} {count[name]}",))
    return prefixes
