"""Which settings of optimisers a program sets: each run has to set them, too."""

from __future__ import annotations

from typing import Any


class _Group(dict[str, Any]):
    """A group of parameters that notes what is set."""

    def __init__(self, group: dict[str, Any]) -> None:
        super().__init__(group)
        self.found: dict[str, Any] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.found[name] = value

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value


class watch_settings:
    """A context manager; `found` has what was set: optimiser, number of the group, name, value."""

    def __init__(self, optimizers: list[Any]) -> None:
        self.found: list[tuple[Any, int, str, Any]] = []
        self._groups = [(optimizer, list(optimizer.param_groups)) for optimizer in optimizers]

    def __enter__(self) -> watch_settings:
        for optimizer, groups in self._groups:
            optimizer.param_groups[:] = map(_Group, groups)
        return self

    def __exit__(self, kind: Any, *error: object) -> None:
        for optimizer, groups in self._groups:
            for i, group in enumerate(groups):
                noted = optimizer.param_groups[i]
                optimizer.param_groups[i] = group
                if kind is None and isinstance(noted, _Group):
                    group.update(noted)
                    self.found += [(optimizer, i, *pair) for pair in noted.found.items()]
