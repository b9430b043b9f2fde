"""`record`: notes of each recorded call its operands, its result, its line and its modules."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyautograd.graph import Node, RecordWatcher
from pyautograd.nn.watch import watch_modules
from pyautograd.op import Op
from pyautograd.origin import users_line
from pyautograd.watch import watch_ops

if TYPE_CHECKING:
    from pyautograd.nn.module import Module
    from pyautograd.viz.names import Names, Path


class Note:
    """What was noted of one recorded call.

    inputs: the operands, arrays and numbers; None for one that was not given.
    output: the array of the result; None for a call of an `autograd.Function`.
    modules: those under way, outermost first.
    origin: the line that made the call, as `file:line: source`.
    """

    __slots__ = ("inputs", "modules", "origin", "output")

    def __init__(
        self, inputs: tuple[Any, ...], output: Any, modules: tuple[Module, ...], origin: str
    ) -> None:
        self.inputs = inputs
        self.output = output
        self.modules = modules
        self.origin = origin

    def path(self, names: Names) -> Path:
        """The names of the modules, outermost first."""
        return names.paths.get(self.modules[-1], ()) if self.modules else ()


_notes: weakref.WeakKeyDictionary[Node, Note] = weakref.WeakKeyDictionary()


def note_of(node: Node) -> Note | None:
    """What `record` noted of the call; None where it was not made under it."""
    return _notes.get(node)


class record:
    """A context manager: pictures and pages of what is recorded in it know everything.

    The tape keeps what backward needs, and no more. Under `record` every call is noted with its
    operands, its result, the line of the program that made it and the modules under way. The
    notes live as long as the graph; the results stay in memory as long.

    >>> import pyautograd as ag
    >>> with ag.viz.record():
    ...     loss = (ag.ones(3, requires_grad=True) + 1).sum()
    """

    def __init__(self) -> None:
        self._last: tuple[Op, tuple[Any, ...], Any] | None = None
        self._modules: list[Module] = []
        self._watches = watch_ops(self._op), watch_modules(self._module), _Nodes(self)

    def __enter__(self) -> None:
        for watch in self._watches:
            watch.__enter__()

    def __exit__(self, *exc: object) -> None:
        for watch in reversed(self._watches):
            watch.__exit__(*exc)

    def _op(self, op: Op, args: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        result = run()
        operands = args[0] if op.inputs < 0 else args[: op.inputs]
        self._last = op, tuple(operands), result[0] if type(result) is tuple else result
        return result

    def _module(self, module: Module, run: Callable[[], Any]) -> Any:
        self._modules.append(module)
        try:
            return run()
        finally:
            self._modules.pop()

    def node(self, node: Node) -> None:
        """Notes a node that was just recorded."""
        if not node.edges:
            return
        inputs: tuple[Any, ...] = ()
        output = None
        if self._last is not None and self._last[0] is node.op:
            _, inputs, output = self._last
        _notes[node] = Note(inputs, output, tuple(self._modules), users_line())


class _Nodes(RecordWatcher):
    def __init__(self, notes: record) -> None:
        self._notes = notes

    def saw(self, node: Node) -> None:
        self._notes.node(node)
