"""Epilogues: a fused program is run by the kernel that makes one of its operands, part by part."""

from __future__ import annotations

from pyautograd import modes
from pyautograd.static.graph import Call, Graph, Value

TAKES_PROGRAM = ("conv2d", "conv2d_input_grad", "linear", "matmul")


def give_epilogues(graph: Graph) -> str:
    """Puts "epilogue" calls in the place of a kernel's call and of the program that follows it.

    Such a call stands where the program stood. attrs are the kernel's call, the reshapes of
    its result and the program's; its operands are those of all, without what passes between them.
    """
    consumers = graph.consumers()
    place = {id(call): i for i, call in enumerate(graph.calls)}
    memory, results = graph.memory(), set(graph.results)
    merged: dict[int, Call] = {}
    gone: set[int] = set()
    for at, program in enumerate(graph.calls):
        if program.name != "program":
            continue
        found = [
            chain
            for x in program.values()
            if (chain := _made_for(x, program, consumers, results)) is not None
            and _may_move(graph, chain[0], at, place, memory)
        ]
        if not found:
            continue
        chain = max(found, key=lambda c: place[id(c[0])])  # the others are there by then
        merged[at] = _merge(chain, program)
        gone.update(place[id(call)] for call in chain)
    graph.calls = [merged.get(i, call) for i, call in enumerate(graph.calls) if i not in gone]
    return f"epilogues: {len(merged)} programs run by the kernels before them"


def _made_for(
    x: Value, program: Call, consumers: dict[Value, list[Call]], results: set[Value]
) -> list[Call] | None:
    """The kernel's call that makes x for the program alone, and the reshapes between them."""
    out = program.outputs[0]
    if x.size != out.size or x.dtype != out.dtype or x.dtype.kind != "f":
        return None
    chain: list[Call] = []
    while x.call is not None and x not in results and len(set(consumers.get(x, ()))) == 1:
        chain.insert(0, x.call)
        if x.call.name in TAKES_PROGRAM and x.call.op is not None:
            return chain if x.call.outputs == [x] else None
        if x.call.name != "reshape":
            return None
        x = x.call.operands[0]
    return None


def _may_move(
    graph: Graph, kernel: Call, to: int, place: dict[int, int], memory: dict[Value, object]
) -> bool:
    """Whether nothing writes what the kernel reads between its place and that of the program."""
    read = [memory[x] for x in kernel.values() if x in memory]
    return not any(
        call.name == "optimizer"
        or (call.name == "write" and any(modes.owner(call.operands[0].source) is r for r in read))
        for call in graph.calls[place[id(kernel)] : to]
    )


def _merge(chain: list[Call], program: Call) -> Call:
    kernel, last = chain[0], chain[-1].outputs[0]
    operands = [*kernel.operands, *[x for x in program.operands if x is not last]]
    both = Call("epilogue", None, operands, (*chain, program))
    both.where, both.backward = kernel.where, kernel.backward
    both.parts = [*chain, *program.parts]
    both.outputs = program.outputs
    for y in both.outputs:
        y.call = both
    return both
