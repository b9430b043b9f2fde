"""Modules that hold modules: in a chain, a list or a dict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from pyautograd.nn.module import Module, Parameter, _indented

L = TypeVar("L", bound="_Indexed")


class _Indexed(Module):
    """Submodules numbered from 0. (Their names are the numbers, unless a dict gave others.)"""

    def _name(self, index: int) -> str:
        if not isinstance(index, int):
            raise TypeError(f"{type(self).__name__}: expected an integer index, got {index!r}")
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {n}")
        return list(self._modules)[index]

    def _replace(self, modules: Iterable[Module]) -> None:
        """Takes these modules, numbered anew, in place of those it has."""
        kept = list(modules)
        for module in kept:
            if not isinstance(module, Module):
                raise TypeError(
                    f"{type(self).__name__}: expected a Module, got {type(module).__name__}"
                )
        for name in list(self._modules):
            delattr(self, name)
        for i, module in enumerate(kept):
            self.add_module(str(i), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def _part(self, names: list[str]) -> Any:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self: L, index: slice) -> L: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._part(list(self._modules)[index])
        return self._modules[self._name(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected a Module, got {type(module).__name__}"
            )
        setattr(self, self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        gone = set(names[index]) if isinstance(index, slice) else {self._name(index)}
        kept = [module for name, module in self._modules.items() if name not in gone]
        self._replace(kept)  # type: ignore[arg-type]

    def append(self: L, module: Module) -> L:
        """Adds a module at the end."""
        return self.insert(len(self), module)

    def extend(self: L, modules: Iterable[Module]) -> L:
        """Adds several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: L, index: int, module: Module) -> L:
        """Adds a module before the one of that index."""
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected a Module, got {type(module).__name__}"
            )
        if index == len(self) and str(index) not in self._modules:
            self.add_module(str(index), module)
        else:
            modules = list(self)
            modules.insert(index, module)
            self._replace(modules)
        return self


class Sequential(_Indexed):
    """A chain: each module takes what the one before it gives.

    `Sequential(a, b)`, or `Sequential({"first": a, "second": b})` for names other than numbers.

    >>> import pyautograd as ag
    >>> net = ag.nn.Sequential(ag.nn.Linear(2, 3), ag.nn.ReLU())
    >>> net
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    >>> net(ag.zeros(5, 2)).shape
    (5, 3)
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def _part(self, names: list[str]) -> Sequential:
        return type(self)({name: self._modules[name] for name in names})

    def forward(self, input: Any) -> Any:
        """The last module of ... of the first of `input`."""
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input


class ModuleList(_Indexed):
    """A list of modules, registered as a plain list would not be. It has no forward of its own.

    >>> import pyautograd as ag
    >>> ag.nn.ModuleList([ag.nn.Linear(2, 2), ag.nn.Linear(2, 2)])
    ModuleList(
      (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _part(self, names: list[str]) -> ModuleList:
        return type(self)([self._modules[name] for name in names])  # type: ignore[misc]

    def _child_lines(self) -> list[str]:
        """Neighbours that print alike share a line: `(0-1): 2 x ReLU()`."""
        runs: list[list[Any]] = []  # [first, last, text]
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        return [
            f"({first}): {_indented(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {_indented(text)}"
            for first, last, text in runs
        ]


class ModuleDict(Module):
    """A dict of modules by name. It has no forward of its own.

    >>> import pyautograd as ag
    >>> heads = ag.nn.ModuleDict({"class": ag.nn.Linear(4, 3), "box": ag.nn.Linear(4, 4)})
    >>> heads["box"](ag.zeros(1, 4)).shape
    (1, 4)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Adds modules; one of the same name is replaced."""
        for name, module in modules.items():
            self[name] = module

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]
        del self.__dict__[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Names and modules."""
        return self._modules.items()


class ParameterList(Module):
    """A list of parameters, registered as a plain list would not be. Tensors become parameters.

    >>> import pyautograd as ag
    >>> weights = ag.nn.ParameterList([ag.zeros(2), ag.zeros(3)])
    >>> len(weights), list(weights.state_dict())
    (2, ['0', '1'])
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def _name(self, index: int) -> str:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ParameterList: index {index} is out of range for {n}")
        return str(index % n)

    def append(self, value: Any) -> ParameterList:
        """Adds a parameter at the end."""
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(len(self)), parameter)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Adds several parameters at the end."""
        for value in list(values):
            self.append(value)
        return self

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return self._parameters[self._name(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(self._name(index), parameter)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """Shapes."""
        return "\n".join(f"({i}): {p.dtype} {p.shape}" for i, p in enumerate(self))


class ParameterDict(Module):
    """A dict of parameters by name, in order. Tensors become parameters.

    >>> import pyautograd as ag
    >>> weights = ag.nn.ParameterDict({"left": ag.zeros(2), "right": ag.zeros(3)})
    >>> weights["right"].shape, list(weights.state_dict())
    ((3,), ['left', 'right'])
    """

    def __init__(self, parameters: Mapping[str, Any] | Iterable[Any] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Any] | Iterable[Any]) -> None:
        """Adds parameters, from a dict or pairs; one of the same name is replaced."""
        for name, value in dict(parameters).items():
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._parameters[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.register_parameter(name, value if isinstance(value, Parameter) else Parameter(value))

    def __delitem__(self, name: str) -> None:
        del self._parameters[name]
        del self.__dict__[name]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter, or `default` where there is none."""
        return self._parameters.get(name, default)

    def pop(self, name: str) -> Any:
        """Takes a parameter away, and returns it."""
        value = self[name]
        del self[name]
        return value

    def keys(self) -> Any:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Any:
        """The parameters."""
        return self._parameters.values()

    def items(self) -> Any:
        """Names and parameters."""
        return self._parameters.items()

    def extra_repr(self) -> str:
        """Shapes."""
        return "\n".join(f"({name}): {p.dtype} {p.shape}" for name, p in self.items())
