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
    outputs = [_layout(y) for y in step.outputs]
    inputs = [None if x is None else _layout(x) for x in step.inputs]
    name = step.name
    if source is None:  # what the plan hands out
        return StepNote(name, "forward", "result", _fixed(Cost(0, moved(inputs, outputs, False))))
    phase = "backward" if source.backward else "forward"
    detail = source.where
    if name == "optimizer":
        optimizer, chosen = source.attrs
        params = [p for group in chosen for p in group]
        name, phase = f"{type(optimizer).__name__}.step", "update"
        return StepNote(name, phase, detail, lambda: optimizer.update_cost(params))
    if name == "program":
        fused = source.attrs[0]
        name = "+".join(fused)
        cost = Cost(outputs[0].size * len(fused), moved(inputs, outputs, False))
    elif source.op is not None and name == source.op.name:
        operands = [Layout.of(x) for x in source.operands]
        cost = source.op.cost(operands, source.attrs, [Layout.of(y) for y in source.outputs])
    else:
        detail = f"{source.name}, {detail}"
        cost = Cost(0, moved(inputs, outputs, False))
    return StepNote(name, phase, detail, _fixed(cost))


def _layout(home: Any) -> Layout:
    x = home.layout
    return Layout(x.shape, x.strides, x.dtype)


def _fixed(cost: Cost) -> Callable[[], Cost]:
    return lambda: cost
