"""What `explain` tells of a plan."""

from __future__ import annotations

import difflib
from typing import Any

from pyautograd.static.graph import Call, Graph, Value, is_view
from pyautograd.static.passes import PASSES
from pyautograd.static.passes.fuse import (
    MOST_CALLS,
    MOST_INPUTS,
    MOST_OUTPUTS,
    computed_in,
    opcode_of,
)

WIDTH = 60  # characters of the arena's map


def report(variant: Any, verbose: bool) -> str:
    """The graph, what the passes made of it, the plan and its memory, in words.

    verbose: also what each pass changed, and which value lies where in the arena, and when.
    """
    traced = variant.source()
    names: dict[Value, str] = {}
    lines: list[str] = []
    for i, graph in enumerate(traced):
        eager = peak_bytes(graph)
        lines += ["", "the gradients' plan", ""] if i else []
        lines += ["as traced:", _indented(graph.text(names)), "", "passes:"]
        lines += _changes(graph, names, verbose)
        lines += ["", "after the passes:", _indented(graph.text(names)), ""]
        lines += _plan(variant.gradients if i else variant.plan, graph, eager, verbose)
    return "\n".join([*lines, "", f"traced and compiled in {variant.seconds * 1e3:.1f} ms"])


def _plan(plan: Any, graph: Graph, eager: int, verbose: bool) -> list[str]:
    """The steps of a plan, what was fused, and the memory, `eager` being that of eager code."""
    native = sum(b - a for a, b in (p for p in plan.parts if isinstance(p, tuple)))
    python = [p.call.name for p in plan.parts if not isinstance(p, tuple)]
    ready = len(plan.notes) - native - len(python)
    return [
        f"plan: {native} native steps" + (
            f", {len(python)} calls of Python: {', '.join(python)}" if python else ""
        ),
        *([f"computed once, until a parameter changes: {ready} steps"] if ready else []),
        *_fused(graph),
        f"arena: {plan.arena_bytes:,} bytes; eager holds up to {eager:,} bytes of results",
        *(["", "arena, by steps:", *_arena(plan.places)] if verbose else []),
    ]  # fmt: skip


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _changes(graph: Graph, names: dict[Value, str], verbose: bool) -> list[str]:
    """Runs the passes; a line for each, with the lines of the graph that it changed if verbose."""
    lines = []
    for step in PASSES:
        before = graph.text(names).splitlines() if verbose else []
        lines.append(f"  {step(graph)}")
        if verbose:
            after = graph.text(names).splitlines()
            diff = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
            lines += [f"    {line}" for line in diff if not line.startswith("@@")]
    return lines


# ---- fusion --------------------------------------------------------------------------------------


def _fused(graph: Graph) -> list[str]:
    """The programs, and why neighbours of them are not part of them."""
    programs = [call for call in graph.calls if call.name in ("program", "epilogue", "summed")]
    lines = [
        f"fused: {call.title}, at {call.where.split(': ')[0]}"
        for call in programs
        if "+" in call.title
    ]
    for call in graph.calls:
        for x in call.values():
            if x.call is not None and x.call.name == "program" and x.call is not call:
                why = _why_not(x.call, call)
                if why:
                    lines.append(f"not fused: {x.call.title} with {call.title}: {why}")
    return list(dict.fromkeys(lines))


def _why_not(first: Call, second: Call) -> str:
    """Why a call is not part of the program whose result it reads; '' where nobody would ask."""
    out = second.outputs[0] if second.outputs else None
    if out is None or (second.name != "program" and not opcode_of(second)):
        return ""
    made = first.outputs[0]
    if second.name != "program" and computed_in(second) is None:
        return "dtypes differ"
    if out.shape != made.shape:
        return f"shapes {made.shape} and {out.shape} differ"
    count = len(first.attrs[0]) + (len(second.attrs[0]) if second.name == "program" else 1)
    if count > MOST_CALLS:
        return f"a program has at most {MOST_CALLS} ops"
    inputs = dict.fromkeys([*first.values(), *[x for x in second.values() if x.call is not first]])
    if len(inputs) > MOST_INPUTS:
        return f"a program has at most {MOST_INPUTS} operands"
    if len(first.outputs) + len(second.outputs) > MOST_OUTPUTS:
        return f"a program has at most {MOST_OUTPUTS} results"
    return "what lies between needs the first one's result, or changes what it reads"


# ---- memory --------------------------------------------------------------------------------------


def peak_bytes(graph: Graph) -> int:
    """What the results of calls come to at most if each is freed after its last reader."""
    root: dict[Value, Value] = {}
    last: dict[Value, int] = {}
    for i, call in enumerate(graph.calls):
        for x in call.values():
            last[root.get(x, x)] = i
        for y in call.outputs:
            root[y] = root.get(call.operands[0], call.operands[0]) if is_view(call) else y
            last.setdefault(root[y], i)
    kept = {root.get(y, y) for y in graph.results}
    ends: dict[int, list[Value]] = {}
    for x, i in last.items():
        ends.setdefault(i, []).append(x)
    live = peak = 0
    for i, call in enumerate(graph.calls):
        live += sum(y.nbytes for y in call.outputs if root[y] is y)
        peak = max(peak, live)
        live -= sum(x.nbytes for x in ends.get(i, ()) if x.call is not None and x not in kept)
    return peak


def _arena(places: list[Any]) -> list[str]:
    """A line a buffer: its range of bytes, the steps that need it, and a picture of that."""
    if not places:
        return ["  nothing"]
    steps = 1 + max(last for *_, last in places)
    scale = min(1.0, WIDTH / steps)
    lines = []
    for at, nbytes, layouts, first, last in sorted(places, key=lambda p: (p[0], p[3])):
        begin, end = int(first * scale), max(int(last * scale), int(first * scale))
        bar = "." * begin + "#" * (end - begin + 1) + "." * (int((steps - 1) * scale) - end)
        lines.append(f"  {at:>10,} {nbytes:>10,} bytes  {first:>4}-{last:<4} |{bar}| {layouts}")
    return lines
