"""Which modules are under way while a program is traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd.graph import RecordWatcher
from pyautograd.nn.watch import watch_modules
from pyautograd.watch import node_in_backward


class Places(RecordWatcher):
    """Knows the modules under way, and which were when a node was recorded."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._of: dict[Any, tuple[Any, ...]] = {}
        self._watch = watch_modules(self._call)

    def __enter__(self) -> None:
        super().__enter__()
        self._watch.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._watch.__exit__(*exc)
        super().__exit__(*exc)
        self._of.clear()

    def saw(self, node: Any) -> None:
        self._of[node] = tuple(self._stack)

    def modules(self, backward: bool) -> tuple[Any, ...]:
        """Those under way; of a gradient rule's calls, those of the call that it is the rule of."""
        if backward:
            return self._of.get(node_in_backward(), ())
        return tuple(self._stack)

    def _call(self, module: Any, run: Callable[[], Any]) -> Any:
        self._stack.append(module)
        try:
            return run()
        finally:
            self._stack.pop()
