"""Epilogues: a fused program is run by the kernel that makes one of its operands, part by part."""

from __future__ import annotations

from pyautograd import modes
from pyautograd.static.graph import Call, Graph, Value

TAKES_PROGRAM = (
    "conv2d", "conv2d_input_grad", "linear", "matmul", "max_pool2d_scatter", "normalize",
    "normalize_as",
)  # fmt: skip


def give_epilogues(graph: Graph) -> str:
    """Puts "epilogue" calls in the place of a kernel's call and of the program that follows it.

    attrs are the kernel's call, the reshapes of its result and the program's; its operands are
    those of all, without what passes between them, and so are its results.
    """
    consumers = graph.consumers()
    place = {id(call): i for i, call in enumerate(graph.calls)}
    memory, results = graph.memory(), set(graph.results)
    merged: dict[int, Call] = {}
    gone: set[int] = set()
    for at, program in enumerate(graph.calls):
        if program.name != "program":
            continue
        found = []
        for x in program.values():
            chain = _made_for(x, program, consumers, results)
            to = None if chain is None else _common_place(graph, chain, program, place, memory)
            if chain is not None and to is not None:
                found.append((place[id(chain[0])], to, chain))
        if not found:
            continue
        _, to, chain = max(found, key=lambda f: f[0])  # what the others make is there by then
        gone.update([at, *[place[id(call)] for call in chain]])
        merged[to] = _merge(chain, program)
        place[id(merged[to])] = to
    graph.calls = [
        merged.get(i, call) for i, call in enumerate(graph.calls) if i in merged or i not in gone
    ]
    return f"epilogues: {len(merged)} programs run by the kernels before them"


def _made_for(
    x: Value, program: Call, consumers: dict[Value, list[Call]], results: set[Value]
) -> list[Call] | None:
    """The kernel's call that makes x for the program alone, and the reshapes between them."""
    if x.size != program.outputs[0].size or x.dtype.kind != "f":
        return None
    chain: list[Call] = []
    while x.call is not None and x not in results and len(set(consumers.get(x, ()))) == 1:
        chain.insert(0, x.call)
        if x.call.name in TAKES_PROGRAM and x.call.op is not None:
            return chain if x.call.outputs[0] is x else None
        if x.call.name != "reshape":
            return None
        x = x.call.operands[0]
    return None


def _common_place(
    graph: Graph,
    chain: list[Call],
    program: Call,
    place: dict[int, int],
    memory: dict[Value, object],
) -> int | None:
    """Where both can stand: in the program's place, or in the kernel's, or nowhere."""
    kernel, last = chain[0], chain[-1].outputs[0]
    begin, end = place[id(kernel)], place[id(program)]
    others = [x for x in program.values() if x is not last]
    between = graph.calls[begin:end]
    if len(kernel.outputs) == 1 and not _writes(between, list(kernel.values()), memory):
        return end
    there = all(x.call is None or place[id(x.call)] < begin for x in others)
    return begin if there and not _writes(between, others, memory) else None


def _writes(calls: list[Call], read: list[Value], memory: dict[Value, object]) -> bool:
    """Whether any of the calls may change the memory of values."""
    owners = [memory[x] for x in read if x in memory]
    return any(
        call.name == "optimizer"
        or (call.name == "write" and any(modes.owner(call.operands[0].source) is o for o in owners))
        for call in calls
    )


def _merge(chain: list[Call], program: Call) -> Call:
    kernel, last = chain[0], chain[-1].outputs[0]
    operands = [*kernel.operands, *[x for x in program.operands if x is not last]]
    both = Call("epilogue", None, operands, (*chain, program))
    both.where, both.backward = kernel.where, kernel.backward
    both.parts = [*chain, *program.parts]
    both.outputs = [*program.outputs, *kernel.outputs[1:]]
    for y in both.outputs:
        y.call = both
    return both
