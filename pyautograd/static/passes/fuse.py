"""Fusion: element-wise calls of one shape become one program, run tile by tile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyautograd import _C, modes
from pyautograd.static.graph import Call, Graph, Value
from pyautograd.static.passes.epilogue import TAKES_PROGRAM

_OF_INTEGERS = ("add", "sub", "mul", "neg", "abs", "maximum", "minimum")
MOST_CALLS, MOST_INPUTS, MOST_OUTPUTS = 16, 12, 6


class _Group:
    """Calls to be fused; they run where the last of them stands."""

    def __init__(self, call: Call, at: int) -> None:
        self.calls = [call]
        self.at = [at]
        self.shape, self.dtype = call.outputs[0].shape, call.outputs[0].dtype

    def inputs(self) -> list[Value]:
        inside = {call.outputs[0] for call in self.calls}
        found = dict.fromkeys(x for call in self.calls for x in call.values() if x not in inside)
        return list(found)


def fuse(graph: Graph) -> str:
    """Makes programs; what is only used inside one is never written to memory."""
    consumers = graph.consumers()
    place = {id(call): i for i, call in enumerate(graph.calls)}
    writes, memory = _writes(graph), graph.memory()
    group_of: dict[int, _Group] = {}
    groups: list[_Group] = []
    for i, call in enumerate(graph.calls):
        if not _fusible(call):
            continue
        group = None
        for x in call.values():
            other = group_of.get(id(x.call))
            if other is not None and _may_join(other, call, i, consumers, place, writes, memory):
                group = other
                group.calls.append(call)
                group.at.append(i)
                break
        if group is None:
            group = _Group(call, i)
            groups.append(group)
        group_of[id(call)] = group

    results = set(graph.results)
    program_at: dict[int, Call] = {}
    gone: set[int] = set()
    for group in groups:
        program_at[group.at[-1]] = _program(group, consumers, results)
        gone.update(group.at[:-1])
    graph.calls = [program_at.get(i, call) for i, call in enumerate(graph.calls) if i not in gone]
    fused = [g for g in groups if len(g.calls) > 1]
    return f"fusion: {sum(len(g.calls) for g in fused)} calls in {len(fused)} programs"


def _fusible(call: Call) -> bool:
    """An opcode on floats of one dtype; operands may be broadcast."""
    if call.name not in _C.opcodes or call.op is None:
        return False
    out = call.outputs[0]
    return (
        (out.dtype.kind == "f" or (out.dtype.kind == "i" and call.name in _OF_INTEGERS))
        and out.size > 0
        and all(x.dtype == out.dtype for x in call.values())
        and all(isinstance(x, (Value, int, float)) for x in call.operands)
    )


def _writes(graph: Graph) -> list[tuple[int, Any]]:
    """Where memory is written: (place of the call, owner of the memory; None for any)."""
    found = []
    for i, call in enumerate(graph.calls):
        if call.name == "write":
            found.append((i, modes.owner(call.operands[0].source)))
        elif call.name == "optimizer":
            found.append((i, None))
    return found


def _may_join(
    group: _Group,
    call: Call,
    at: int,
    consumers: dict[Value, list[Call]],
    place: dict[int, int],
    writes: list[tuple[int, Any]],
    memory: dict[Value, Any],
) -> bool:
    out = call.outputs[0]
    if out.shape != group.shape or out.dtype != group.dtype or len(group.calls) >= MOST_CALLS:
        return False
    # Where two kernels could run a part each, each had better.
    if _has_kernel(group.inputs(), consumers) and _has_kernel(call.values(), consumers):
        return False
    inside = {id(c) for c in group.calls}
    # The calls so far will run later, where this one stands: nobody may need them before.
    for member in group.calls:
        for user in consumers.get(member.outputs[0], ()):
            if id(user) not in inside and place[id(user)] < at:
                return False
    inputs = dict.fromkeys([*group.inputs(), *call.values()])
    if len(inputs) > MOST_INPUTS:
        return False
    # Nor may what they read be written in between.
    for i, owner in writes:
        if group.at[0] < i < at and (
            any(x in memory for x in inputs)
            if owner is None
            else any(memory.get(x) is owner for x in inputs)
        ):
            return False
    members = [*group.calls, call]
    inside.add(id(call))
    exposed = [
        c for c in members if any(id(u) not in inside for u in consumers.get(c.outputs[0], ()))
    ]
    return len(exposed) <= MOST_OUTPUTS


def _has_kernel(values: Iterable[Value], consumers: dict[Value, list[Call]]) -> bool:
    """Whether a kernel that makes one of the values can run the only call that reads it."""
    return any(
        x.call is not None and x.call.name in TAKES_PROGRAM and len(consumers[x]) == 1
        for x in values
    )


def _program(group: _Group, consumers: dict[Value, list[Call]], results: set[Value]) -> Call:
    """The call "program": attrs are the names of its ops, its instructions and its constants.

    An instruction is (opcode, register of the result, registers of three operands). Registers are
    the inputs, the constants, the outputs and then what is between.
    """
    inside = {id(c) for c in group.calls}
    inputs = group.inputs()
    outputs = [
        c.outputs[0]
        for c in group.calls
        if c.outputs[0] in results
        or any(id(u) not in inside for u in consumers.get(c.outputs[0], ()))
    ]
    constants: dict[str, float] = {}
    for c in group.calls:
        for x in c.operands:
            if not isinstance(x, Value):
                constants.setdefault(repr(float(x)), float(x))
    register: dict[Any, int] = {x: i for i, x in enumerate(inputs)}
    for key in constants:
        register[key] = len(register)
    for y in outputs:
        register[y] = len(register)
    _number_between(group, register, set(outputs))
    code = []
    for c in group.calls:
        operands = [register[x if isinstance(x, Value) else repr(float(x))] for x in c.operands]
        operands += [operands[0]] * (3 - len(operands))
        code.append((_C.opcodes[c.name], register[c.outputs[0]], *operands))
    names = tuple([c.name for c in group.calls])
    attrs = (names, tuple(code), tuple(constants.values()))
    program = Call("program", None, list(inputs), attrs)
    program.where, program.backward = group.calls[-1].where, group.calls[-1].backward
    program.parts = group.calls
    program.outputs = outputs
    for y in outputs:
        y.call = program
    return program


def _number_between(group: _Group, register: dict[Any, int], outputs: set[Value]) -> None:
    """Registers for what is between; each is used again after its value's last reader."""
    last: dict[Value, int] = {}
    for i, c in enumerate(group.calls):
        for x in c.values():
            last[x] = i
    free: list[int] = []
    between: set[Value] = set()
    count = len(register)
    for i, c in enumerate(group.calls):
        free += [register[x] for x in dict.fromkeys(c.values()) if x in between and last[x] == i]
        y = c.outputs[0]
        if y in outputs:
            continue
        if free:
            register[y] = free.pop()
        else:
            register[y] = count
            count += 1
        between.add(y)
