"""Sums of what a fused program computes: made tile by tile and added up, never in memory."""

from __future__ import annotations

from pyautograd.static.graph import Call, Graph, Value


def sum_programs(graph: Graph) -> str:
    """Puts "summed" calls in the place of programs one of whose results is for a sum alone.

    attrs are the program's call, the reshapes of that result and the sum's; its operands are the
    program's, its outputs the program's others and the sum.
    """
    consumers = graph.consumers()
    results = set(graph.results)
    merged: dict[int, Call] = {}  # by the ids of programs
    gone: set[int] = set()
    for program in graph.calls:
        if program.name != "program":
            continue
        for y in program.outputs:
            chain = _to_a_sum(y, consumers, results)
            if chain:
                merged[id(program)] = _merge(program, y, chain)
                gone.update(map(id, chain))
                break
    graph.calls = [merged.get(id(call), call) for call in graph.calls if id(call) not in gone]
    return f"sums: {len(merged)} of what programs compute"


def _to_a_sum(
    y: Value, consumers: dict[Value, list[Call]], results: set[Value]
) -> list[Call] | None:
    """The sum that alone reads y, and the reshapes between."""
    chain: list[Call] = []
    while y not in results and len(consumers.get(y, ())) == 1:
        (call,) = consumers[y]
        chain.append(call)
        if call.name == "sum" and call.op is not None:
            return chain
        if call.name != "reshape":
            return None
        y = call.outputs[0]
    return None


def _merge(program: Call, y: Value, chain: list[Call]) -> Call:
    both = Call("summed", None, list(program.operands), (program, *chain))
    both.where, both.backward = program.where, program.backward
    both.parts = [*program.parts, *chain]
    both.outputs = [*[x for x in program.outputs if x is not y], *chain[-1].outputs]
    for x in both.outputs:
        x.call = both
    return both
