"""What holds for every graph, checked: run after each pass in the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.static.graph import Call, Draw, Graph, Input, Value


class VerificationError(AssertionError):
    """A pass has broken a graph."""


class Verifier:
    """Takes down in which order a graph reads and writes memory, to check it after a pass.

    >>> from pyautograd.static.graph import Graph
    >>> Verifier(Graph()).check("nothing was done")
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._effects = _effects(graph)
        self._epochs = _epochs(graph)
        self.check("tracing")

    def check(self, after: str) -> None:
        """VerificationError where the graph is not sound, or not the same program any more."""
        graph = self._graph
        _check_definitions(graph, after)
        for call in graph.calls:
            _check_layout(call, after)
        if _effects(graph) != self._effects:
            raise VerificationError(f"after {after}: changes of memory are others, or reordered")
        for x, epochs in _epochs(graph).items():
            before = self._epochs.get(x)
            if len(epochs) > 1 or (before is not None and epochs != before):
                raise VerificationError(
                    f"after {after}: {x!r} is read on the other side of a write to its memory"
                )


def _check_definitions(graph: Graph, after: str) -> None:
    defined: set[Value] = set()

    def known(x: Value) -> bool:
        if isinstance(x.source, Input):
            return any(x is y for y in graph.inputs)
        return x in defined or isinstance(x.source, (np.ndarray, Draw))

    for call in graph.calls:
        for x in call.values():
            if not known(x):
                raise VerificationError(f"after {after}: {call.name} reads {x!r}, not computed yet")
        for y in call.outputs:
            if y in defined:
                raise VerificationError(f"after {after}: {call.name} computes {y!r} once more")
            if y.call is not call:
                raise VerificationError(
                    f"after {after}: {y!r} does not know that {call.name} made it"
                )
            defined.add(y)
    for y in graph.results:
        if not known(y):
            raise VerificationError(f"after {after}: the result {y!r} is not computed")


def _check_layout(call: Call, after: str) -> None:
    """The op's own rule against the values; a fused program's registers."""
    if call.op is not None:
        shape, dtype = call.op.infer(*call.arguments())
        out = call.outputs[0]
        if (tuple(shape), np.dtype(dtype)) != (out.shape, out.dtype):
            raise VerificationError(
                f"after {after}: {call.name} gives {np.dtype(dtype)}{list(shape)}, the graph has "
                f"{out.dtype}{list(out.shape)}"
            )
    elif call.name == "program":
        out = call.outputs[0]
        for x in [*call.values(), *call.outputs]:
            if np.broadcast_shapes(x.shape, out.shape) != out.shape:
                raise VerificationError(f"after {after}: {x!r} does not fit a program of {out!r}")
        _check_program(call, after)
    elif call.name == "write":
        target, value = call.operands
        if not isinstance(target.source, np.ndarray) or target.dtype != value.dtype:
            raise VerificationError(f"after {after}: {value!r} cannot be written into {target!r}")
        if np.broadcast_shapes(target.shape, value.shape) != target.shape:
            raise VerificationError(f"after {after}: {value!r} does not fit into {target!r}")


def _check_program(call: Call, after: str) -> None:
    """Each register is read as what was written there."""
    names, code, constants = call.attrs
    inputs = list(call.values())
    held: dict[int, Any] = {i: _C.dtypes[str(x.dtype)] for i, x in enumerate(inputs)}
    held.update(dict.fromkeys(range(len(inputs), len(inputs) + len(constants))))  # of any dtype
    opcodes = {number: name for name, number in _C.opcodes.items()}
    for opcode, dtype, result, *operands in code:
        name = opcodes.get(opcode)
        if name is None or not held.keys() >= set(operands):
            raise VerificationError(f"after {after}: program {names} reads what it has not yet")
        domain = _C.domains[name]
        for k, register in enumerate(operands):
            wanted = _C.dtypes["bool"] if domain == "choice" and k == 0 else dtype
            if held[register] not in (None, wanted):
                raise VerificationError(f"after {after}: program {names} mistakes a dtype")
        given = {"test": "bool", "cast": name.removeprefix("to_")}.get(domain)
        held[result] = dtype if given is None else _C.dtypes[given]
    for register, y in enumerate(call.outputs, len(inputs) + len(constants)):
        if held.get(register) != _C.dtypes[str(y.dtype)]:
            raise VerificationError(f"after {after}: program {names} does not compute {y!r}")


def _effects(graph: Graph) -> list[Any]:
    """The changes of memory, in order."""
    return [
        (call.name, id(call.operands[0].source) if call.name == "write" else id(call.attrs[0]))
        for call in graph.calls
        if call.has_effect
    ]


def _epochs(graph: Graph) -> dict[Value, set[int]]:
    """After how many changes of its memory each value that is read from memory is read."""
    memory = graph.memory()
    roots: dict[Value, Value] = {}  # of views: what they look at
    writes: dict[
        int, int
    ] = {}  # by the id of the owner; None for an optimiser, which may write any
    everywhere = 0
    found: dict[Value, set[int]] = {}
    for call in graph.calls:
        for x in call.values():
            owner = memory.get(x)
            if owner is None or (call.name == "write" and x is call.operands[0]):
                continue
            root = roots.get(x, x)
            found.setdefault(root, set()).add(writes.get(id(owner), 0) + everywhere)
        if call.op is not None and call.outputs and call.outputs[0] in memory:
            roots[call.outputs[0]] = roots.get(call.operands[0], call.operands[0])
        if call.name == "write":
            owner_id = id(modes.owner(call.operands[0].source))
            writes[owner_id] = writes.get(owner_id, 0) + 1
        elif call.name == "optimizer":
            everywhere += 1
    return found
