"""Fusion: element-wise calls of one shape become one program, run tile by tile."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.static.graph import Call, Graph, Value
from pyautograd.static.passes.epilogue import TAKES_PROGRAM

MOST_CALLS, MOST_INPUTS, MOST_CONSTANTS, MOST_OUTPUTS = 16, 12, 16, 6
INSTRUCTION = 6  # integers of one: see `_program`


class _Group:
    """Calls to be fused, in their order; they run where the last of them stands."""

    def __init__(self, calls: dict[int, Call]) -> None:
        self.at = sorted(calls)
        self.calls = [calls[i] for i in self.at]
        self.shape = self.calls[0].outputs[0].shape
        inside = {call.outputs[0] for call in self.calls}
        self.inputs = list(
            dict.fromkeys(x for call in self.calls for x in call.values() if x not in inside)
        )
        self.constants = {  # by their repr and the dtype that each takes
            _key(x, computed_in(call)): float(x)
            for call in self.calls
            for x in call.operands
            if not isinstance(x, Value)
        }

    def with_all(self, *others: _Group) -> _Group:
        return _Group({i: c for g in (self, *others) for i, c in zip(g.at, g.calls, strict=True)})


def fuse(graph: Graph) -> str:
    """Makes programs; what is only used inside one is never written to memory."""
    rules = _Rules(graph)
    group_of: dict[int, _Group] = {}
    for i, call in enumerate(graph.calls):
        if computed_in(call) is None or not call.outputs[0].size:
            continue
        group = _Group({i: call})
        makers = [group_of[id(x.call)] for x in call.values() if id(x.call) in group_of]
        for other in dict.fromkeys(makers):
            together = other.with_all(group)
            # Where two kernels could run a part each, each had better.
            apart = rules.have_kernel(other) and rules.have_kernel(group)
            if not apart and rules.allow(together):
                group = together
        group_of.update({id(c): group for c in group.calls})

    groups = list(dict.fromkeys(group_of.values()))
    results = set(graph.results)
    program_at: dict[int, Call] = {}
    gone: set[int] = set()
    for group in groups:
        program_at[group.at[-1]] = _program(group, rules.consumers, results)
        gone.update(group.at[:-1])
    graph.calls = [program_at.get(i, call) for i, call in enumerate(graph.calls) if i not in gone]
    fused = [g for g in groups if len(g.calls) > 1]
    return f"fusion: {sum(len(g.calls) for g in fused)} calls in {len(fused)} programs"


def opcode_of(call: Call) -> str:
    """The name of the opcode that would compute the call; '' where there is none."""
    if call.name in ("cast", "cast_discrete"):
        return f"to_{call.attrs[0]}"
    return call.name if call.name in _C.opcodes else ""


def computed_in(call: Call) -> Any:
    """The dtype of the instruction that computes the call; None where no instruction does."""
    domain = _C.domains.get(opcode_of(call))
    if call.op is None or domain is None:
        return None
    operands, out = call.operands, call.outputs[0]
    if domain == "choice":
        if operands[0].dtype != bool:
            return None
        operands = operands[1:]
    dtypes = dict.fromkeys(x.dtype for x in operands if isinstance(x, Value))
    if domain not in ("test", "cast"):
        dtypes[out.dtype] = None
    if len(dtypes) != 1:
        return None
    (dtype,) = dtypes
    if (domain == "real" and dtype.kind != "f") or (domain == "any" and dtype.kind == "b"):
        return None
    fit = all(isinstance(x, Value) or _is_one_of(x, dtype) for x in operands)
    return dtype if fit else None


def _is_one_of(x: Any, dtype: Any) -> bool:
    """Whether a number is one of the dtype, as far as its own rounding goes."""
    if not isinstance(x, (int, float)):
        return False
    if dtype.kind == "f":
        return isinstance(x, float) or abs(x) < 2**53
    least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return isinstance(x, int) and least <= x <= most and abs(x) < 2**53  # constants are doubles


def _key(x: Any, dtype: Any) -> tuple[str, Any]:
    return repr(float(x)), dtype


class _Rules:
    """Which calls of a graph may run together, where the last of them stands."""

    def __init__(self, graph: Graph) -> None:
        self.consumers = graph.consumers()
        self._place = {id(call): i for i, call in enumerate(graph.calls)}
        self._writes, self._memory = _writes(graph), graph.memory()

    def allow(self, group: _Group) -> bool:
        return (
            all(c.outputs[0].shape == group.shape for c in group.calls)
            and len(group.calls) <= MOST_CALLS
            and len(group.inputs) <= MOST_INPUTS
            and len(group.constants) <= MOST_CONSTANTS
            and self._not_needed_before(group)
            and self._not_written_between(group)
            and len([c for c in group.calls if self._outside(c, group)]) <= MOST_OUTPUTS
        )

    def have_kernel(self, group: _Group) -> bool:
        """Whether a kernel that makes one of their inputs for them alone can run them."""
        return any(
            x.call is not None and x.call.name in TAKES_PROGRAM and len(self.consumers[x]) == 1
            for x in group.inputs
        )

    def _outside(self, call: Call, group: _Group) -> list[Call]:
        """Who reads the call's result outside the group."""
        inside = {id(c) for c in group.calls}
        return [u for u in self.consumers.get(call.outputs[0], ()) if id(u) not in inside]

    def _not_needed_before(self, group: _Group) -> bool:
        end = group.at[-1]
        return all(self._place[id(u)] > end for c in group.calls for u in self._outside(c, group))

    def _not_written_between(self, group: _Group) -> bool:
        """Whether what they read stays as it is."""
        owners = [self._memory[x] for x in group.inputs if x in self._memory]
        return not any(
            group.at[0] < i < group.at[-1]
            and (bool(owners) if owner is None else any(owner is o for o in owners))
            for i, owner in self._writes
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


def _program(group: _Group, consumers: dict[Value, list[Call]], results: set[Value]) -> Call:
    """The call "program": attrs are the names of its ops, its instructions and its constants.

    An instruction is (opcode, dtype in which it computes, register of the result, registers of
    three operands). Registers are the inputs, the constants, the outputs and then what is between.
    """
    inside = {id(c) for c in group.calls}
    inputs = group.inputs
    outputs = [
        c.outputs[0]
        for c in group.calls
        if c.outputs[0] in results
        or any(id(u) not in inside for u in consumers.get(c.outputs[0], ()))
    ]
    constants = group.constants
    register: dict[Any, int] = {x: i for i, x in enumerate(inputs)}
    for key in constants:
        register[key] = len(register)
    for y in outputs:
        register[y] = len(register)
    _number_between(group, register, set(outputs))
    code = []
    for c in group.calls:
        dtype = computed_in(c)
        operands = [register[x if isinstance(x, Value) else _key(x, dtype)] for x in c.operands]
        operands += [operands[0]] * (3 - len(operands))
        result = register[c.outputs[0]]
        code.append((_C.opcodes[opcode_of(c)], _C.dtypes[str(dtype)], result, *operands))
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
    """Registers for what is between; each is used again after its value's last reader.

    By values whose elements have the same size: an op may read what it writes over.
    """
    last: dict[Value, int] = {}
    for i, c in enumerate(group.calls):
        for x in c.values():
            last[x] = i
    free: dict[int, list[int]] = {}  # by the size of elements
    between: set[Value] = set()
    count = len(register)
    for i, c in enumerate(group.calls):
        for x in dict.fromkeys(c.values()):
            if x in between and last[x] == i:
                free.setdefault(x.itemsize, []).append(register[x])
        y = c.outputs[0]
        if y in outputs:
            continue
        if free.get(y.itemsize):
            register[y] = free[y.itemsize].pop()
        else:
            register[y] = count
            count += 1
        between.add(y)
