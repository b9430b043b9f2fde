"""What a step of a plan came from, for whoever watches the plan run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd.cost import Cost, Layout, moved


class StepNote:
    """An account of one step.

    name: what runs: an op, a "copy", an optimiser's step, or the ops that were fused, joined by +.
    phase: "forward", "backward" or "update".
    detail: the call of the program that it is part of, and its line.
    cost: its arithmetic and the bytes it moves.
    """

    __slots__ = ("cost", "detail", "name", "phase")

    def __init__(self, name: str, phase: str, detail: str, cost: Callable[[], Cost]) -> None:
        self.name = name
        self.phase = phase
        self.detail = detail
        self.cost = cost


def note_of(step: Any, source: Any) -> StepNote:
    """The note of a step, native or Python's, that is part of `source`, a call or None."""
    outputs = [_layout(y) for y in step.written()]
    inputs = [_layout(x) for x in step.read()]
    bytes_moved = moved(inputs, outputs, False)
    if source is None:  # what the plan hands out
        return StepNote(step.title, "forward", "result", _fixed(Cost(0, bytes_moved)))
    phase = "backward" if source.backward else "forward"
    detail = source.where
    if step.name == "optimizer":
        optimizer, chosen = source.attrs
        params = [p for group in chosen for p in group]
        name = f"{type(optimizer).__name__}.step"
        return StepNote(name, "update", detail, lambda: optimizer.update_cost(params))
    kernel, program = source, source
    if source.name == "epilogue":
        kernel, program = source.attrs[0], source.attrs[-1]
    elif source.name == "summed":
        program, kernel = source.attrs[0], source.attrs[-1]
    flops = 0
    if step.name == "program" or step.tail is not None:
        flops += program.outputs[0].size * len(program.attrs[0])
    if kernel.op is not None and step.name == kernel.op.name:
        operands = [Layout.of(x) for x in kernel.operands]
        cost = kernel.op.cost(operands, kernel.attrs, [Layout.of(y) for y in kernel.outputs])
        flops += cost.flops
        bytes_moved = cost.bytes if step.tail is None else bytes_moved
    elif step.name != "program":
        detail = f"{source.name}, {detail}"
    return StepNote(step.title, phase, detail, _fixed(Cost(flops, bytes_moved)))


def _layout(home: Any) -> Layout:
    x = home.layout
    return Layout(x.shape, x.strides, x.dtype)


def _fixed(cost: Cost) -> Callable[[], Cost]:
    return lambda: cost
