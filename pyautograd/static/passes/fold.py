"""Constant folding: what depends on nothing that a run can change is computed once."""

from __future__ import annotations

import numpy as np

from pyautograd.static.graph import Graph, Value

LARGEST = 4096  # elements of a folded value; larger ones would only move work into memory


def fold_constants(graph: Graph) -> str:
    """Computes calls on read-only arrays, which nobody can change."""
    kept, folded = [], 0
    for call in graph.calls:
        operands = [_constant(x) for x in call.operands]
        small = all(y.size <= LARGEST for y in call.outputs)
        if call.op is None or not small or any(x is NotImplemented for x in operands):
            kept.append(call)
            continue
        args = [operands] if call.op.inputs < 0 else operands
        result = call.op.forward(*args, *call.attrs)
        for y, array in zip(
            call.outputs, result if type(result) is tuple else (result,), strict=True
        ):
            array = np.ascontiguousarray(array).reshape(array.shape)
            array = array.copy() if array.flags.writeable and array.base is not None else array
            array.flags.writeable = False
            y.call, y.source = None, array
        folded += 1
    graph.calls = kept
    return f"constants: {folded} calls folded"


def _constant(x: object) -> object:
    """The operand as the forward takes it; NotImplemented where a run can change it."""
    if not isinstance(x, Value):
        return x
    if isinstance(x.source, np.ndarray) and not x.source.flags.writeable and _all_locked(x.source):
        return x.source
    return NotImplemented


def _all_locked(array: np.ndarray) -> bool:
    """Whether the owner of the memory is read-only too."""
    while isinstance(array.base, np.ndarray):
        array = array.base
        if array.flags.writeable:
            return False
    return array.base is None
